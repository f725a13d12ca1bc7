"""A run's conversation as a person reads it."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any, cast

from perdure.cli.screen import Line
from perdure.contracts.messages import CallView, StatusView
from perdure.contracts.run import PageEntry
from perdure.visible import in_line, plain

SHOWN_CHARACTERS = 4000  # of one item; `--raw` shows all
_STYLES = {"user": "bold cyan", "assistant": "bold green", "call": "yellow", "output": "dim"}


def conversation_lines(entries: list[PageEntry], status: StatusView) -> list[Line]:
    """What was said and done, in order, with the calls of the open turn where they stand.

    Every line of a speaker's text but its first is indented, so that no text can pass for another speaker's.
    """
    told = _Told(status)
    lines = [line for entry in entries for line in told.entry(entry)]
    for call in status.calls:
        if call.output is not None:
            lines += _labelled(f"output {call.call_id}", _output_text(call.output), "output")
    return lines


def raw_lines(entries: list[PageEntry]) -> list[Line]:
    """The items as JSON, one per line."""
    return [Line(json.dumps(entry.model_dump(mode="json"))) for entry in entries]


def item_lines(item: dict[str, Any]) -> list[Line]:
    """One item of a run's transcript; none of what has nothing to show."""
    match item.get("type", "message"):
        case "message":
            role = str(item.get("role", "assistant"))
            label = f"{role}, interrupted" if item.get("status") == "incomplete" else role
            return _labelled(label, _message_text(item), role)
        case "function_call":
            return _labelled("call", f"{item.get('name')} {item.get('arguments', '')}", "call")
        case "function_call_output":
            return _labelled("output", _output_text(item), "output")
        case "reasoning":
            text = _parts_text(item.get("summary"))
            return _labelled("reasoning", text, "output") if text else []
        case kind:
            return _labelled(str(kind), json.dumps(item, ensure_ascii=False), "output")


class _Told:
    """Tells entries one by one, and which of the run's own call ids each bears."""

    def __init__(self, status: StatusView) -> None:
        self._decided = status.decided
        self._open: dict[str, CallView] = {call.call_id: call for call in status.calls}
        self._calls_of: defaultdict[int, int] = defaultdict(int)
        self._unanswered: defaultdict[str, list[str]] = defaultdict(list)

    def entry(self, entry: PageEntry) -> list[Line]:
        item = entry.item
        match item.get("type", "message"):
            case "function_call" if entry.kind == "answer":
                return self._call(entry)
            case "function_call" | "function_call_output" if entry.kind in ("handoff", "handed_off"):
                return _handoff(entry)
            case "function_call_output" if entry.kind != "input":
                waiting = self._unanswered[str(item.get("call_id"))]
                name = f"output {waiting.pop(0)}" if waiting else "output"
                return _labelled(name, _output_text(entry.whole or item), "output") + _less(entry)
            case _:
                return item_lines(item)

    def _call(self, entry: PageEntry) -> list[Line]:
        item = entry.item
        call_id = f"{entry.turn}.{self._calls_of[entry.turn]}"
        self._calls_of[entry.turn] += 1
        self._unanswered[str(item.get("call_id"))].append(call_id)
        lines = _labelled(f"call {call_id}", f"{item.get('name')} {item.get('arguments', '')}", "call")
        if call_id in self._decided:
            lines.append(Line(f"  {in_line(self._decided[call_id])}", "bold"))
        elif call_id in self._open and self._open[call_id].phase == "waiting":
            lines.append(Line("  waits for a decision", "bold magenta"))
        return lines


def _less(entry: PageEntry) -> list[Line]:
    """How much less of an output the model was shown."""
    if entry.whole is None:
        return []
    shown, whole = (len(_output_text(item).encode()) for item in (entry.item, entry.whole))
    return [Line(f"  the model was shown {shown} of {whole} bytes", "bold")]


def _handoff(entry: PageEntry) -> list[Line]:
    if entry.kind == "handed_off":
        return _labelled("handoff", f"{entry.agent} hands over to {entry.target}", "output")
    return _labelled("handoff", f"{entry.item.get('name')} {entry.item.get('arguments', '')}", "call")


def _labelled(label: str, text: str, style: str) -> list[Line]:
    if len(text) > SHOWN_CHARACTERS:
        text = f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters in all; --raw shows them)"
    first, *rest = plain(text).split("\n")
    name = _STYLES.get(style, "")
    return [Line(f"{in_line(label)}: {first}", name), *(Line(f"  {line}") for line in rest)]


def _message_text(item: dict[str, Any]) -> str:
    content = item.get("content")
    return content if isinstance(content, str) else _parts_text(content)


def _output_text(item: dict[str, Any]) -> str:
    output = item.get("output")
    return output if isinstance(output, str) else _parts_text(output)


def _parts_text(parts: Any) -> str:
    """The text of a list of content parts; a part without text, as an image, by its type."""
    if not isinstance(parts, list):
        return "" if parts is None else json.dumps(parts, ensure_ascii=False)
    texts: list[str] = []
    for part in cast("list[Any]", parts):
        fields = cast("dict[str, Any]", part) if isinstance(part, dict) else {"text": str(part)}
        text = fields.get("text") or fields.get("refusal")
        texts.append(str(text) if text else f"[{fields.get('type', 'part')}]")
    return "".join(texts)
