"""What a run knows while it runs: the working form of its state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from perdure.definition import AgentDefinition, Snapshot, ToolDefinition
from perdure.transcript import chain
from perdure.usage import Usage

EntryKind = Literal["input", "answer", "output", "value"]  # value: an output whose text is JSON of what was returned
CallPhase = Literal["unjudged", "waiting", "ready", "done"]


class Entry(NamedTuple):
    """One item of the transcript: its canonical bytes, where it came from, and the chain's digest after it."""

    data: bytes
    kind: EntryKind
    agent: str
    turn: int
    digest: str


@dataclass(slots=True)
class Transcript:
    """The append-only list of a run's items.

    Attributes:
        origin: The chain's digest before the first item.
        sent: How many items the last model call had; what comes after them is new to the worker that made it.
    """

    origin: str
    entries: list[Entry] = field(default_factory=list[Entry])
    sent: int = 0

    def digest_at(self, count: int) -> str:
        """The chain's digest after `count` items."""
        return self.entries[count - 1].digest if count else self.origin

    def append(self, data: bytes, kind: EntryKind, agent: str, turn: int) -> None:
        """Adds one item."""
        digest = chain(self.digest_at(len(self.entries)), [data])
        self.entries.append(Entry(data, kind, agent, turn, digest))


@dataclass(slots=True, frozen=True)
class Decision:
    """What somebody decided about a call: the first one that is committed holds."""

    approve: bool
    by: str | None = None
    reason: str | None = None
    always: bool = False
    at: float = 0.0  # seconds since the epoch, the workflow's time


@dataclass(slots=True)
class Call:
    """One tool call of the open turn.

    Attributes:
        id: Ours, turn and position (`"2.0"`), never reused in a run.
        item: The call as the model made it, stored form.
        digest: Names tool and arguments.
        deferred: How often a worker declined the call without running it.
        output: The item that answers it, once it is done.
        output_is_value: Whether the output's text is the JSON of a value, not a text of the tool's own.
    """

    id: str
    item: dict[str, Any]
    tool: ToolDefinition
    digest: str
    phase: CallPhase
    since: float
    decision: Decision | None = None
    deferred: int = 0
    output: dict[str, Any] | None = None
    output_is_value: bool = False
    context_changes: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def model_call_id(self) -> str:
        """The model's id of the call."""
        return self.item["call_id"]

    @property
    def arguments(self) -> str:
        """The arguments as the model wrote them; empty if they lie in the blob store."""
        return self.item.get("arguments", "")


@dataclass(slots=True)
class ResponseRecord:
    """One accepted answer of a model: which items it brought and what it used."""

    turn: int
    agent: str
    first: int
    count: int
    usage: Usage
    response_id: str | None = None
    request_id: str | None = None


@dataclass(slots=True, frozen=True)
class Failure:
    """Why a run fails: the error's class name, its text, and what else is known."""

    type: str
    message: str
    details: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class LoopState:
    """All that a run knows.

    Attributes:
        agent_name: The agent that the run was started with; its definition is in `snapshot` once that is known.
        config: `RunConfig` values that the loop needs.
        context: The user's context as JSON, top-level fields.
        turn: Model calls made so far.
        deferred: How often a worker declined the next one without making it.
        in_flight: Ids of the steps that the driver has started.
        calls: The open turn's tool calls, in call order.
        always: Standing decisions by tool.
        call_ids: Every id that the model gave a call so far, with our ids of the calls that bore it.
        call_digests: The digest of every call so far by our id.
        decided: Every committed decision by our call id.
        unknown_outcomes: Calls that may or may not have taken effect: their worker was lost.
        warnings: What a person should know, the last few.
    """

    agent_name: str
    transcript: Transcript
    snapshot: Snapshot | None = None
    agent: str = ""
    max_turns: int | None = 10
    approval_timeout_seconds: float = 0.0
    tool_output_format: str = "json"
    context: dict[str, Any] | None = None
    turn: int = 0
    deferred: int = 0
    in_flight: set[str] = field(default_factory=set[str])
    calls: list[Call] = field(default_factory=list[Call])
    always: dict[str, Decision] = field(default_factory=dict[str, Decision])
    call_ids: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    call_digests: dict[str, str] = field(default_factory=dict[str, str])
    decided: dict[str, Decision] = field(default_factory=dict[str, Decision])
    responses: list[ResponseRecord] = field(default_factory=list[ResponseRecord])
    agents_with_tool_use: set[str] = field(default_factory=set[str])
    unknown_outcomes: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])
    usage: Usage = field(default_factory=Usage)
    finished: bool = False
    final_output: str | None = None
    failure: Failure | None = None

    @property
    def definition(self) -> AgentDefinition:
        """The active agent's definition."""
        if self.snapshot is None:
            raise RuntimeError("the run has no snapshot of its agents yet")
        return self.snapshot.agents[self.agent]

    def call(self, call_id: str) -> Call | None:
        """A call of the open turn by our id."""
        return next((call for call in self.calls if call.id == call_id), None)

    def waiting_calls(self) -> list[Call]:
        """The calls that wait for a decision, in call order."""
        return [call for call in self.calls if call.phase == "waiting"]
