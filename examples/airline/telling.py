"""Tells a conversation in a terminal: what is said, called, waited for and killed."""

from __future__ import annotations

import json
import shutil
import textwrap
from typing import Any, cast

from rich.console import Console
from rich.text import Text

from .killing import Step

LABEL_WIDTH = 11
WIDEST = 110  # columns; longer lines are hard to read
SHOWN_CHARACTERS = 240  # of a tool's arguments or output

_STYLES = {"customer": "bold cyan", "agent": "bold green", "approval": "bold yellow", "kill": "bold red"}


class Teller:
    """Prints for people; a quiet one prints nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(quiet=quiet, highlight=False)
        self._width = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST) - LABEL_WIDTH

    def customer(self, text: str) -> None:
        """What the customer says."""
        self._console.print()
        self.note("customer", text)

    def item(self, item: dict[str, Any]) -> None:
        """What the agent says, calls, or gets from a tool."""
        match item:
            case {"type": "function_call", "name": str(name), "arguments": str(arguments)}:
                self.note("tool", shortened(call_text(name, arguments)))
            case {"type": "function_call_output", "output": output}:
                text = output if isinstance(output, str) else json.dumps(output)
                self.note("", f"-> {shortened(text)}")
            case {"type": "message", "content": list()}:
                self.note("agent", "".join(part.get("text", "") for part in item["content"]))
            case _:
                self.note("item", shortened(json.dumps(item)))

    def approval(self, tool: str, arguments: str, message: dict[str, Any]) -> None:
        """A call that waits, and what answers it."""
        self.note("approval", f"{tool} waits for a decision, with these arguments:")
        self.note("", arguments)
        self.note("", "answered by the signal `approve` with this input:")
        self.line("", json.dumps(message))

    def killed(self, step: Step, pid: int, moment: str) -> None:
        """A worker's end."""
        self.note("kill", f"SIGKILL to worker process {pid} in the middle of {step.activity}, {moment}")
        self.note("", f"(attempt {step.attempt} of activity {step.activity_id})")

    def note(self, label: str, text: str) -> None:
        """A text, wrapped, behind its label."""
        for paragraph in text.splitlines() or [""]:
            # What a model or a customer wrote is shown, never obeyed: no escape sequence reaches the terminal.
            for line in textwrap.wrap(shown(paragraph), self._width) or [""]:
                self.line(label, line)
                label = ""

    def line(self, label: str, text: str) -> None:
        """One line, never wrapped: what people copy."""
        styled = Text().append(f"{label:<{LABEL_WIDTH}}", style=_STYLES.get(label, "dim")).append(text)
        styled.rstrip()
        self._console.print(styled, soft_wrap=True)


def shown(text: str) -> str:
    """The text with everything that is not printable, control and direction marks among it, as an escape."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def shortened(text: str) -> str:
    """The text's beginning, and how long it was."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}... ({len(text)} characters)"


def call_text(name: str, arguments: str) -> str:
    """A call as it would stand in code."""
    try:
        values: Any = json.loads(arguments)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        return f"{name}({arguments})"
    pairs = cast("dict[str, Any]", values).items()
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in pairs)})"
