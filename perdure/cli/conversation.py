"""A run's conversation as a person reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from perdure.cli.screen import Line
from perdure.cli.standing import took_text
from perdure.client.account import Account, call_ids
from perdure.contracts.run import PageEntry
from perdure.usage import cost_in_words
from perdure.visible import in_line, plain

SHOWN_CHARACTERS = 4000  # of one item; `--raw` shows all
_TIME_WIDTH = 10
_STYLES = {"user": "bold cyan", "assistant": "bold green", "call": "yellow", "output": "dim"}


def conversation_lines(account: Account) -> list[Line]:
    """What was said and done, in order and when, with the calls of the open turn where they stand.

    Every line of a speaker's text but its first is indented, so that no text can pass for another speaker's.
    """
    told = _Told(account)
    return [*told.entries(), *told.open_turn()]


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


def item_text(item: dict[str, Any]) -> str:
    """What an item says, whole: a message's or an output's text, of anything else its JSON."""
    match item.get("type", "message"):
        case "message":
            return _message_text(item)
        case "function_call_output":
            return _output_text(item)
        case "reasoning":
            return _parts_text(item.get("summary"))
        case _:
            return json.dumps(item, ensure_ascii=False)


class _Told:
    """Tells entries one by one, each with its time where that is another than before."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._decided = account.status.decided
        self._open = {call.call_id: call for call in account.status.calls}
        self._answers = {response.turn: response for response in account.said.responses}
        self._turn = 0
        self._day = self._time = ""

    def entries(self) -> Iterator[Line]:
        """All that is in the transcript."""
        entries = self._account.said.entries
        for entry, call_id in zip(entries, call_ids(entries), strict=True):
            at = self._account.at(entry, call_id)
            if entry.kind != "input" and entry.turn > self._turn:
                self._turn = entry.turn
                yield from self._timed(at, self._turn_lines(entry.turn))
            yield from self._timed(at, self._entry(entry, call_id))

    def open_turn(self) -> Iterator[Line]:
        """The outputs that enter the transcript once all calls of the open turn have theirs."""
        for call in self._account.status.calls:
            if call.output is not None:
                step = self._account.ran.get(call.call_id)
                lines = _labelled(f"output {call.call_id}", _output_text(call.output), "output")
                yield from self._timed("" if step is None else step.ended, lines)

    def _timed(self, at: str, lines: list[Line]) -> Iterator[Line]:
        if at and at[:10] != self._day:
            self._day = at[:10]
            yield Line(f"{self._day} (UTC)", "dim")
        time = at[11:19]
        for place, line in enumerate(lines):
            shown = time if not place and time != self._time else ""
            yield Line(f"{shown:<{_TIME_WIDTH}}{line.text}", line.style)
        self._time = time or self._time

    def _turn_lines(self, turn: int) -> list[Line]:
        response = self._answers.get(turn)
        if response is None:
            return []
        step, used = self._account.asked.get(turn), response.usage
        cached = f" ({used.cached} cached)" if used.cached else ""
        took = f", {took_text(step.started, step.ended)}" if step is not None and step.started and step.ended else ""
        again = f", attempt {step.attempts}" if step is not None and step.attempts > 1 else ""
        cost = "" if used.usd is None else f", {cost_in_words(used.usage())}"
        tokens = f"{used.input} tokens in{cached}, {used.output} out{cost}"
        return [Line(f"turn {turn}: {in_line(response.agent)}, {tokens}{took}{again}", "dim")]

    def _entry(self, entry: PageEntry, call_id: str) -> list[Line]:
        item = entry.item
        match item.get("type", "message"):
            case "function_call" if entry.kind == "answer":
                return self._call(entry, call_id)
            case "function_call" | "function_call_output" if entry.kind in ("handoff", "handed_off"):
                return _handoff(entry)
            case "function_call_output" if entry.kind != "input":
                name = f"output {call_id}".strip()
                return _labelled(name, _output_text(entry.whole or item), "output") + _less(entry)
            case _:
                return item_lines(item)

    def _call(self, entry: PageEntry, call_id: str) -> list[Line]:
        item = entry.item
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
    given = str(entry.item.get("arguments", ""))
    return _labelled("handoff", f"{entry.item.get('name')} {'' if given == '{}' else given}".rstrip(), "call")


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
