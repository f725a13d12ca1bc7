"""What a thread knows beside the run under way: messages that wait, and how those before ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from perdure.definition import Snapshot
from perdure.loop.records import Entry, Failure, Final, GuardrailRecord, ResponseRecord, Transcript
from perdure.usage import Usage


@dataclass(slots=True, frozen=True)
class Message:
    """A message that was sent to a thread, and what its run is to be like.

    Attributes:
        sequence: Its number among the thread's messages, from 1.
        items: Its input in stored form.
        agent: The name of the agent that it was sent to.
        snapshot: The agents; `None`: as the message before it left them, or as a worker has them (`by_name`).
        max_turns: How often the model may be asked for it; `None` for no limit.
        context: The context from this message on; `None`: as it is then.
        settings: Of its run, as JSON.
    """

    sequence: int
    message_id: str
    items: list[dict[str, Any]]
    agent: str
    snapshot: Snapshot | None = None
    by_name: bool = False
    max_turns: int | None = 10
    context: dict[str, Any] | None = None
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True, frozen=True)
class UnderWay:
    """The message whose run is under way.

    Attributes:
        given: How many items the conversation had before it; `inputs` are its own input.
        agent: The key of the agent that it began with.
    """

    sequence: int
    message_id: str
    given: int
    inputs: int
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    agent: str = ""


@dataclass(slots=True, frozen=True)
class Ended:
    """How a message's run ended.

    Attributes:
        given: How many items the conversation had before it; `inputs` are its own input, up to `end` it lasted.
        begun: How many turns there were before it; `turns`: after it.
        settled: How many of the items that its run said belong to completed turns, which are `settled_turns`.
        agent: The key of the agent that was active at its end; `first`: of the one that it began with.
        own: What its run said, where the conversation keeps something else; with its input if it is the `whole`.
        omits: Whether its requests leave the ids of reasoning items out.
    """

    sequence: int
    message_id: str
    given: int
    inputs: int
    end: int
    begun: int
    turns: int
    settled: int
    settled_turns: int
    agent: str
    max_turns: int | None
    usage: Usage
    guardrails: list[GuardrailRecord]
    settings: dict[str, Any]
    first: str
    final: Final | None = None
    failure: Failure | None = None
    stopped: bool = False
    own: list[Entry] | None = None
    whole: bool = False
    omits: bool = False


@dataclass(slots=True)
class Thread:
    """A conversation that outlives its runs: each message is a run, one after the other.

    Attributes:
        history: What is kept of the conversation: what a session would be told. The record of the run under way, too,
            as long as nothing edits that.
        agents: Names the agents as the last message that was taken has them; empty if workers take them anew.
        taken: How many messages were taken.
        known: The ids of the last messages, with their numbers and a digest of what they said.
        queue: The messages that wait for their turn.
        ended: How the last ones ended.
        current: The one under way.
        responses: The answers of ended runs whose items are not sealed.
        suspect: Whether the history may have what providers refuse.
        used: By all runs that have ended.
        closing: Whether it ends once no message waits.
        failure: Why it cannot go on.
    """

    history: Transcript
    agents: str = ""
    taken: int = 0
    known: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    queue: list[Message] = field(default_factory=list[Message])
    ended: list[Ended] = field(default_factory=list[Ended])
    current: UnderWay | None = None
    responses: list[ResponseRecord] = field(default_factory=list[ResponseRecord])
    suspect: bool = False
    used: Usage = field(default_factory=Usage)
    closing: bool = False
    failure: Failure | None = None
