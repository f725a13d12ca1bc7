"""Recorded conversations: who said what, which tools were called, what they answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_origin

_T = TypeVar("_T")

STOP = "###STOP###"
"""In a user's message: the conversation is over, and nobody answers."""


class MalformedConversationError(ValueError):
    """A line that is no conversation; the message names file, line and what is wrong."""


@dataclass(frozen=True)
class ToolCall:
    """A call as the model wrote it, and what the tool answered."""

    call_id: str
    name: str
    arguments: str
    output: str


@dataclass(frozen=True)
class Step:
    """One answer of the model: a text, calls, or both."""

    text: str | None
    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class Turn:
    """What the user said, and the model's steps until the user's next message."""

    user: str
    steps: tuple[Step, ...]

    @property
    def ends_conversation(self) -> bool:
        """Whether this message gets no answer."""
        return STOP in self.user


@dataclass(frozen=True)
class Conversation:
    """One recorded conversation."""

    id: str
    system: str
    turns: tuple[Turn, ...]


def load(data_dir: Path | str) -> list[Conversation]:
    """Read `conversations.jsonl` of a folder, in the file's order; empty lines are skipped.

    Raises:
        MalformedConversationError: A line is no JSON, misses a field, or its messages come in an impossible order.
    """
    path = Path(data_dir) / "conversations.jsonl"
    conversations: dict[str, Conversation] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            conversation = _conversation(json.loads(line))
        except ValueError as error:  # JSON's own error is one too
            raise MalformedConversationError(f"{path}, line {number}: {error}") from error
        if conversation.id in conversations:
            raise MalformedConversationError(f"{path}, line {number}: the id {conversation.id!r} was used before")
        conversations[conversation.id] = conversation
    return list(conversations.values())


def _conversation(line: Any) -> Conversation:
    conversation_id = _field(line, "id", str, "the line")
    messages = _Messages(_field(line, "messages", list[Any], "the line"))
    system = messages.text("system")
    turns = tuple(_turns(messages))
    if not turns:
        raise ValueError("it has no user message")
    return Conversation(conversation_id, system, turns)


def _turns(messages: _Messages) -> Iterator[Turn]:
    while messages.left:
        said = messages.text("user")
        turn = Turn(said, tuple(_steps(messages)))
        if turn.ends_conversation and (turn.steps or messages.left):
            raise ValueError(f"message {messages.number} follows a user message with {STOP}")
        if not turn.ends_conversation and (not turn.steps or turn.steps[-1].calls):
            raise ValueError(f"the user message {said[:60]!r} is not answered with a text")
        yield turn


def _steps(messages: _Messages) -> Iterator[Step]:
    while messages.role == "assistant":
        message = messages.take("assistant")
        where = f"message {messages.number}"
        text = _field(message, "content", str, where) if message.get("content") else None
        raw_calls = _field(message, "tool_calls", list[Any], where) if message.get("tool_calls") else []
        if text is None and not raw_calls:
            raise ValueError(f"{where}: the assistant neither says nor calls anything")
        yield Step(text, tuple(_call(raw, where, messages) for raw in raw_calls))


def _call(raw: Any, where: str, messages: _Messages) -> ToolCall:
    call_id = _field(raw, "id", str, f"{where}, tool call")
    function = _field(raw, "function", dict[str, Any], f"{where}, tool call")
    name = _field(function, "name", str, f"{where}, tool call")
    arguments = _field(function, "arguments", str, f"{where}, tool call")
    answer = messages.take("tool")
    answered = _field(answer, "tool_call_id", str, f"message {messages.number}")
    if answered != call_id:
        raise ValueError(f"message {messages.number} answers the call {answered!r}, expected {call_id!r}")
    return ToolCall(call_id, name, arguments, _field(answer, "content", str, f"message {messages.number}"))


class _Messages:
    """The messages of one conversation, taken one after the other."""

    def __init__(self, messages: list[Any]) -> None:
        self._messages = messages
        self.number = 0  # of the message taken last, from 1

    @property
    def left(self) -> int:
        return len(self._messages) - self.number

    @property
    def role(self) -> str | None:
        """The next message's role; None at the end."""
        return _field(self._messages[self.number], "role", str, f"message {self.number + 1}") if self.left else None

    def take(self, role: str) -> dict[str, Any]:
        if self.role != role:
            found = "the end" if self.role is None else f"a message of {self.role!r}"
            raise ValueError(f"message {self.number + 1}: expected a message of {role!r}, found {found}")
        self.number += 1
        return self._messages[self.number - 1]

    def text(self, role: str) -> str:
        return _field(self.take(role), "content", str, f"message {self.number}")


def _field(holder: Any, name: str, kind: type[_T], where: str) -> _T:
    value = cast("dict[str, Any]", holder).get(name) if isinstance(holder, dict) else None
    plain: type = get_origin(kind) or kind  # list[Any] is no class that isinstance takes
    if not isinstance(value, plain):
        raise ValueError(f"{where}: {name!r} is {value!r:.80}, expected a {plain.__name__}")  # noqa: TRY004 - one error for every malformed line
    return cast("_T", value)
