"""Watches a run: what it says, word by word, and does, line by line, until it ends."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from perdure.cli.conversation import SHOWN_CHARACTERS, item_lines
from perdure.cli.ending import ExitCode
from perdure.cli.screen import Line, Screen
from perdure.runner import Runner
from perdure.stream_events import (
    AgentUpdatedStreamEvent,
    RawResponsesStreamEvent,
    RunItemStreamEvent,
)
from perdure.visible import in_line, plain

_TEXT = "response.output_text.delta"


async def watch_run(screen: Screen, run_id: str, after: str | None) -> int:
    """Shows each event of a run, those that come included, with its offset; a message while it is said."""
    run = await Runner.get(run_id)
    words = _Words(screen)
    async for told in run.events(after=after, raw=True):
        event = told.event
        if isinstance(event, RawResponsesStreamEvent):
            words.take(event)
        else:
            lines = _lines(told.offset, event)
            screen.add(_document(told.offset, event), lines if screen.as_json else words.rest(told.offset, lines))
    words.end()
    return ExitCode.OK


class _Words:
    """The line that grows while a model speaks: the one that its message will be, once it is there."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._attempt = (0, 0)
        self._said: dict[str, str] = {}  # what is shown of the messages of this attempt, by their offsets
        self._counts: Counter[str] = Counter()  # of their characters
        self._open = ""  # whose line has not ended

    def take(self, event: RawResponsesStreamEvent) -> None:
        """Shows what a model says, if it is text; another attempt begins anew."""
        attempt = (event.turn, event.attempt)
        if getattr(event.data, "type", None) != _TEXT:
            return
        offset = f"{event.turn}.{event.data.output_index + 1}"
        if attempt != self._attempt:
            self._begin(attempt, is_again=event.turn == self._attempt[0] and bool(self._said))
        if self._screen.as_json:
            told = {"turn": event.turn, "attempt": event.attempt, "delta": event.data.delta}
            self._screen.add({"offset": offset, "type": "text_delta", **told}, [])
            self._said[offset] = ""
        else:
            self._show(offset, event.data.delta)

    def _begin(self, attempt: tuple[int, int], *, is_again: bool) -> None:
        self.end()
        if is_again and not self._screen.as_json:
            self._screen.show(None, [Line(f"{'':<6} (the model was cut off, and is asked again)", "dim")])
        self._attempt, self._said, self._counts = attempt, {}, Counter()

    def _show(self, offset: str, text: str) -> None:
        if offset != self._open:
            self.end()
            self._open = offset
        more = _shown("", text[: max(SHOWN_CHARACTERS - self._counts[offset], 0)])
        self._counts[offset] += len(text)
        if offset not in self._said:
            more = _shown(offset, "assistant: ") + more
        self._said[offset] = self._said.get(offset, "") + more
        self._screen.grow(more)

    def rest(self, offset: str, lines: list[Line]) -> list[Line]:
        """What is left to be shown of an event's lines."""
        whole = "\n".join(line.text for line in lines)
        shown = self._said.pop(offset, None)
        if shown is None or not whole.startswith(shown):
            self.end()
            return lines
        if offset != self._open:  # shown before other lines; it is cut where it is too long
            return [] if whole == shown else lines
        self._open = ""
        return [Line(whole.removeprefix(shown), lines[0].style)]

    def end(self) -> None:
        """Ends the line that is open."""
        if self._open:
            self._open = ""
            self._screen.show(None, [Line("")])


def _shown(offset: str, text: str) -> str:
    """Text of a message as its lines have it."""
    first, *rest = plain(text).split("\n")
    return "\n".join([f"{offset:<6} {first}" if offset else first, *(f"{'':<6}   {line}" for line in rest)])


def _document(offset: str, event: RunItemStreamEvent | AgentUpdatedStreamEvent) -> dict[str, Any]:
    if isinstance(event, AgentUpdatedStreamEvent):
        return {"offset": offset, "type": event.type, "agent": event.new_agent.name}
    item = event.item
    return {"offset": offset, "type": event.type, "name": event.name, "agent": item.agent.name, "item": item.data}


def _lines(offset: str, event: RunItemStreamEvent | AgentUpdatedStreamEvent) -> list[Line]:
    if isinstance(event, AgentUpdatedStreamEvent):
        first, *rest = [Line(f"agent: {in_line(event.new_agent.name)}", "bold")]
    else:
        data = event.item.data
        first, *rest = item_lines(data) or [Line(f"{event.name}: {in_line(json.dumps(data))}")]
    further = [Line(f"{'':<6} {line.text}", line.style) for line in rest]
    return [Line(f"{offset:<6} {first.text}", first.style), *further]
