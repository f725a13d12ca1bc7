"""Finding a request's place in a recorded conversation, and comparing what came before it with the recording."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any, Literal, cast

from .conversations import Conversation, Step

REPORTED_MISMATCHES = 3  # the first ones; what follows a wrong item is usually wrong because of it


class UnanswerableError(ValueError):
    """A request that no recording answers; `code` is the API error's code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Entry:
    """One thing that was said, called or answered, free of the ids and forms that differ from request to request."""

    kind: Literal["user", "assistant", "call", "output"]
    text: str
    """What was said or answered; of a call, its arguments."""
    name: str = ""
    call_id: str = ""


@dataclass(frozen=True)
class Place:
    """Where in its conversation a request stands."""

    conversation: Conversation
    before: tuple[Entry, ...]
    """What the recording has before the answer."""
    answer: Step


class Comparison:
    """What the requests of one conversation have shown so far. A place that is sent again counts once."""

    def __init__(self, conversation: Conversation) -> None:
        self._recorded = _recorded(conversation)
        self._lock = threading.Lock()
        self._requests = 0
        self._answered: set[int] = set()
        self._outputs: dict[int, bool] = {}
        self._mismatches: dict[int, dict[str, Any]] = {}

    def add(self, entries: Sequence[Entry], before: Sequence[Entry]) -> None:
        """Compare a request's input with what the recording has before the answer."""
        with self._lock:
            self._requests += 1
            self._answered.add(len(before))
            for position, (actual, expected) in enumerate(zip_longest(entries, before)):
                if actual is not None and expected is not None and expected.kind == "output":
                    # Wrong once is wrong, even if a later request has it right.
                    self._outputs[position] = self._outputs.get(position, True) and actual == expected
                if actual != expected:
                    self._mismatches.setdefault(position, _mismatch(position, expected, actual))

    def report(self) -> dict[str, Any]:
        """The counts and the first mismatches, as JSON values."""
        answers = [step for step in self._recorded if isinstance(step, Step)]
        outputs = [entry for entry in self._recorded if isinstance(entry, Entry) and entry.kind == "output"]
        with self._lock:
            return {
                "requests": self._requests,
                "answers_recorded": len(answers),
                "answers_given": len(self._answered),
                "outputs_recorded": len(outputs),
                "outputs_compared": len(self._outputs),
                "outputs_equal": sum(self._outputs.values()),
                "mismatch_count": len(self._mismatches),
                "mismatches": [self._mismatches[each] for each in sorted(self._mismatches)[:REPORTED_MISMATCHES]],
            }


def read_input(input: Any) -> list[Entry]:
    """The entries of a request's `input`; instructions and reasoning are passed over.

    Raises:
        UnanswerableError: The input is not in the form of the Responses API, or has items that no recording has.
    """
    if isinstance(input, str):
        return [Entry("user", input)]
    if not isinstance(input, list):
        raise UnanswerableError("invalid_input", f"`input` is a {type(input).__name__}, expected a string or a list")
    items = enumerate(cast("list[Any]", input))
    return [entry for index, item in items if (entry := _entry(item, f"input[{index}]")) is not None]


def locate(entries: Sequence[Entry], conversations: Sequence[Conversation]) -> Place:
    """The conversation that begins as this input does, and the recorded answer that is due.

    Of several conversations with the same first message the one that agrees longest is taken, then the first in order.
    The answer is found by counting the user's messages and the outputs after the last of them, so that an input which
    went astray still gets the next recorded answer and the run comes to its end.

    Raises:
        UnanswerableError: No conversation begins like this, or this one has no answer here.
    """
    first = next((entry.text for entry in entries if entry.kind == "user"), None)
    candidates = [each for each in conversations if each.turns[0].user == first]
    if not candidates:
        begins = "has no user message" if first is None else f"begins with {first[:80]!r}"
        raise UnanswerableError(
            "unknown_conversation",
            f"The input {begins}; none of the {len(conversations)} recorded conversations begins like that. "
            "Each request must carry the whole history: `previous_response_id` and `conversation` are not kept here.",
        )
    conversation = max(candidates, key=lambda each: _agreement(entries, _entries(each)))
    said = sum(entry.kind == "user" for entry in entries)
    if said > len(conversation.turns) or conversation.turns[said - 1].ends_conversation:
        raise UnanswerableError(
            "no_recorded_answer",
            f"The recorded conversation {conversation.id!r} has no answer to the user's message number {said}.",
        )
    return _place(conversation, said - 1, _outputs_of_turn(entries))


def _place(conversation: Conversation, turn: int, outputs: int) -> Place:
    """The first step of the turn that has at least that many outputs before it, else the turn's last step."""
    recorded = _recorded(conversation)
    steps = conversation.turns[turn].steps
    before, index = 0, 0
    while before < outputs and index < len(steps) - 1:
        before += len(steps[index].calls)
        index += 1
    nth = sum(len(each.steps) for each in conversation.turns[:turn]) + index
    at = [position for position, each in enumerate(recorded) if isinstance(each, Step)][nth]
    return Place(conversation, tuple(each for each in recorded[:at] if isinstance(each, Entry)), steps[index])


def _recorded(conversation: Conversation) -> list[Entry | Step]:
    """The conversation's entries in order, each step standing before its own entries."""
    recorded: list[Entry | Step] = []
    for turn in conversation.turns:
        recorded.append(Entry("user", turn.user))
        for step in turn.steps:
            recorded.append(step)
            if step.text is not None:
                recorded.append(Entry("assistant", step.text))
            recorded += [Entry("call", call.arguments, call.name, call.call_id) for call in step.calls]
            recorded += [Entry("output", call.output, call_id=call.call_id) for call in step.calls]
    return recorded


def _entries(conversation: Conversation) -> list[Entry]:
    return [each for each in _recorded(conversation) if isinstance(each, Entry)]


def _agreement(entries: Sequence[Entry], recorded: Sequence[Entry]) -> int:
    pairs = zip(entries, recorded, strict=False)
    return next((position for position, (one, other) in enumerate(pairs) if one != other), len(entries))


def _outputs_of_turn(entries: Sequence[Entry]) -> int:
    kinds = [entry.kind for entry in entries]
    return kinds[len(kinds) - kinds[::-1].index("user") :].count("output")


def _mismatch(position: int, expected: Entry | None, actual: Entry | None) -> dict[str, Any]:
    return {
        "position": position,
        "expected": None if expected is None else asdict(expected),
        "actual": None if actual is None else asdict(actual),
    }


def _entry(item: Any, where: str) -> Entry | None:
    match item:
        case {"type": "function_call", "call_id": str(call_id), "name": str(name), "arguments": str(arguments)}:
            return Entry("call", arguments, name, call_id)
        case {"type": "function_call_output", "call_id": str(call_id), "output": output}:
            return Entry("output", _text(output, f"{where}.output"), call_id=call_id)
        case {"type": "reasoning"} | {"role": "system" | "developer"}:
            return None
        case {"role": "user" | "assistant" as role, "content": content}:
            return Entry(role, _text(content, f"{where}.content"))
        case _:
            raise UnanswerableError("invalid_input", f"{where} is neither a message, a function call nor its output")


def _text(content: Any, where: str) -> str:
    match content:
        case str():
            return content
        case list():
            return "".join(_text_part(part, where) for part in cast("list[Any]", content))
        case _:
            raise UnanswerableError("invalid_input", f"{where} is neither a text nor a list of parts")


def _text_part(part: Any, where: str) -> str:
    match part:
        case {"type": "input_text" | "output_text", "text": str(text)}:
            return text
        case _:
            raise UnanswerableError(
                "invalid_input", f"{where} has a part that is no text; the recordings have only text"
            )
