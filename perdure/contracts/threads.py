"""What is said to a thread, and what it answers: messages, how they ended, and its end."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import ConfigDict, Field

from perdure.canonical import canonical, encode
from perdure.contracts.incoming import read_incoming
from perdure.contracts.run import PageEntry, RunOutcome, RunSettings
from perdure.contracts.tokens import Tokens
from perdure.definition import Frozen, Snapshot
from perdure.errors import UserError
from perdure.item_json import input_items
from perdure.limits import MAX_COMMAND_BYTES, MAX_CONTEXT_BYTES, MAX_DECISION_BYTES, MAX_QUEUED_BYTES

THREAD_PREFIX = "thread/"  # before a thread's id in that of its workflow
OTHER_AGENTS = "OtherAgents"  # the error to a message whose agents the thread does not have


class ThreadMessage(Frozen):
    """A message to a thread, as it is sent by update.

    Attributes:
        message_id: Names it: what comes again under the same id is said once.
        input: A message of the user, or items.
        by: Who says it: a claim of the sender.
        agent: The agent's name; by default that of the message before.
        agents: Names the agents that it wants; left out: those that the thread has. `snapshot`: these agents, where the
            thread does not have them; `by_name`: a worker takes the snapshot.
        max_turns: How often the model may be asked; `None` for no limit.
        context: The context from this message on.
        settings: Of its run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    message_id: str = Field(min_length=1, max_length=128)
    input: str | list[dict[str, Any]]
    by: str | None = Field(default=None, max_length=256)
    agent: str | None = Field(default=None, max_length=1000)
    agents: str | None = Field(default=None, max_length=64)
    snapshot: Snapshot | None = None
    by_name: bool = False
    max_turns: int | None = Field(default=10, ge=0)
    context: dict[str, Any] | None = None
    settings: RunSettings = RunSettings()


class OutcomeRequest(Frozen):
    """Which message's outcome is wanted.

    Attributes:
        sequence: The message's number, as its receipt has it.
        since: What was told before: what differs from that is told at once, the same after a while.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sequence: int = Field(ge=1)
    since: Literal["queued", "under way", "waiting"] | None = None


class CloseMessage(Frozen):
    """Lets a thread end once no message waits.

    Attributes:
        by: Who says it: a claim of the sender.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    by: str | None = Field(default=None, max_length=256)


class MessageReceipt(Frozen):
    """What became of a message: `"accepted"`, or `"repeated"` if its id was known.

    Attributes:
        thread: The thread's workflow; `execution`: the one of its executions that took it.
        sequence: The message's number, by which its outcome is asked for.
    """

    thread: str
    execution: str
    sequence: int
    message_id: str
    verdict: str
    explanation: str


class FailureView(Frozen):
    """Why a message's run failed."""

    type: str
    message: str
    details: dict[str, Any] = {}


class MessageOutcome(Frozen):
    """How far a message has come.

    Attributes:
        phase: `"queued"`: others are before it; `"under way"`; `"waiting"`: for a person; `"ended"`.
        ahead: How many messages are before it.
        given: How many items the conversation had before it; `inputs` are its own input; up to `end` it lasted.
        begun: How many turns there were before it.
        agent: The key of the agent that it began with; empty as long as that is not known.
        outcome: How it ended. Places in it count the items of the conversation before it.
        own: What its run said, where the thread keeps something else; with its input if it is the `whole`.
        failure: Why it failed, if it did.
    """

    sequence: int
    message_id: str
    phase: Literal["queued", "under way", "waiting", "ended"]
    ahead: int = 0
    given: int = 0
    inputs: int = 0
    end: int = 0
    begun: int = 0
    agent: str = ""
    outcome: RunOutcome | None = None
    own: list[PageEntry] | None = None
    whole: bool = False
    failure: FailureView | None = None


class CloseReceipt(Frozen):
    """What becomes of the thread: how many messages are before its end."""

    ahead: int


class ThreadView(Frozen):
    """What a thread tells of itself.

    Attributes:
        taken: How many messages it has taken; `queued` of them wait.
        sequence: The one under way; 0 between two messages.
        begun: How many turns there were before that one.
        usage: Of all messages.
    """

    taken: int
    queued: int = 0
    sequence: int = 0
    begun: int = 0
    closing: bool = False
    usage: Tokens = Tokens()


def read_thread_message(value: Any) -> tuple[ThreadMessage, list[dict[str, Any]]]:
    """The message in whatever was sent, with its input as items in stored form.

    Raises:
        ValueError: It is none; the text says what is wrong with it.
    """
    message = read_incoming(ThreadMessage, value, MAX_COMMAND_BYTES)
    try:
        items = [json.loads(canonical(item)) for item in input_items(message.input)]
        context = len(canonical(message.context))
        if message.snapshot is not None:
            message.snapshot.check()
    except UserError as error:
        raise ValueError(error.message) from None
    if context > MAX_CONTEXT_BYTES:
        raise ValueError(f"context: {context} bytes as JSON, at most {MAX_CONTEXT_BYTES} can travel")
    size = sum(len(encode(item)) for item in items)
    if size > MAX_QUEUED_BYTES:
        text = f"input: {size} bytes, at most {MAX_QUEUED_BYTES} can be sent to a thread at once"
        raise ValueError(f"{text}; with a blob store (PERDURE_BLOBS) `Runner` and `Thread` keep large items there")
    return message, items


def read_outcome_request(value: Any) -> OutcomeRequest:
    """Which message's outcome is wanted.

    Raises:
        ValueError: There is no telling.
    """
    return read_incoming(OutcomeRequest, value, MAX_DECISION_BYTES)


def read_close(value: Any) -> CloseMessage:
    """What closes a thread.

    Raises:
        ValueError: It is none.
    """
    return read_incoming(CloseMessage, value, MAX_DECISION_BYTES)
