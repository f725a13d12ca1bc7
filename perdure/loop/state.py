"""What a run knows while it runs: the working form of its state.

A run is a tree: the root is the run itself; an agent that runs as a tool is a frame below the call that it answers,
with a conversation, turns and decisions of its own. The same loop runs them all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from perdure.definition import AgentDefinition, HandoffDefinition, RunRules, Snapshot, ToolDefinition
from perdure.limits import MAX_ITEM_BYTES
from perdure.loop.conversing import Thread
from perdure.loop.holds import Steering
from perdure.loop.phases import CallPhase
from perdure.loop.records import (
    Admission,
    Decision,
    Declined,
    EntryKind,
    Failure,
    Final,
    Guard,
    GuardrailRecord,
    Kept,
    ModelAnswer,
    Resolution,
    ResponseRecord,
    SentInput,
    Transcript,
)
from perdure.loop.stages import Stage
from perdure.loop.tracking import SessionTrack
from perdure.usage import Usage


@dataclass(slots=True)
class Call:
    """One tool call of an open turn.

    Attributes:
        id: Ours, turn and position (`"2.0"`), the outer call's before it; never reused in a run.
        item: The call as the model made it, stored form.
        tool: The tool; `None` if the agent has none of that name.
        digest: Names tool and arguments.
        checked: How many of the guardrails of this phase have let it pass.
        output: The item that answers it, once there is one.
        output_is_value: Whether the output's text is the JSON of a value, not a text of the tool's own.
        output_is_object: Whether that value is an object of the user's, as a final output may be.
        is_result: Whether the output is a result of the tool, which may end the run, and not a human's or our word.
        unknown: Why nobody knows whether it took effect.
        resolution: What a person has said about that.
        failure: Why the call cannot be answered.
        child: The agent that runs to answer it.
    """

    id: str
    item: dict[str, Any]
    tool: ToolDefinition | None
    digest: str
    phase: CallPhase
    since: float
    decision: Decision | None = None
    checked: int = 0
    output: dict[str, Any] | None = None
    output_is_value: bool = False
    output_is_object: bool = False
    is_result: bool = False
    context_changes: dict[str, Any] = field(default_factory=dict[str, Any])
    unknown: str = ""
    resolution: Resolution | None = None
    failure: Failure | None = None
    child: Frame | None = None

    @property
    def model_call_id(self) -> str:
        """The model's id of the call."""
        return self.item["call_id"]

    @property
    def name(self) -> str:
        """The tool's name as the model wrote it."""
        return self.item["name"]

    @property
    def arguments(self) -> str:
        """The arguments as the model wrote them; empty if they lie in the blob store."""
        return self.item.get("arguments", "")


@dataclass(slots=True)
class HandoffCall:
    """A handoff that the model made: the executed one is the first of its turn."""

    id: str
    item: dict[str, Any]
    definition: HandoffDefinition
    digest: str
    target: str = ""


@dataclass(slots=True)
class Frame:
    """One agent's run: the run itself, or an agent that runs as a tool, through all its handoffs.

    Attributes:
        path: The call that it answers; empty for the run itself.
        agent: The active agent's key.
        record: What was said and done as a whole.
        shown: What the model gets; the record itself until a handoff edits it.
        pruned: The same without what providers refuse, where there is any of that.
        opened_by: For an agent as a tool: the key of the agent that called it, and the tool's name.
        tool_input: For an agent as a tool: the arguments that it was called with.
        turn: Model calls made so far.
        greeted: Whether the start hooks of the active agent have run.
        guards: The input guardrails.
        reviews: The output guardrails, once there is a final output.
        held: An answer that waits for input guardrails.
        calls: The open turn's tool calls, in call order.
        handoffs: The open turn's handoffs, in call order.
        always: Standing decisions by agent and tool: another agent's tool of the same name may be another tool.
        recovery: The error that an error handler is asked about.
        pending: What was sent to the run and waits for the next model request; `admission`: that of it which is judged.
        settled_items: Items of turns that were completed; `settled_turns` are those turns.
        epochs: How many transcripts there were. `cuts`: How often the model was stopped in the turn that is next.
        begun: How many turns there were before a thread's message. `used`: For an agent as a tool: by its own models.
        stopping: Whether it is to end with the open turn.
        failure: Why it ends, if it does in a failure.
    """

    path: str
    agent: str
    rules: RunRules
    record: Transcript
    shown: Transcript
    pruned: Transcript | None = None
    max_turns: int | None = 10
    input_is_text: bool = False
    opened_by: tuple[str, str] | None = None
    tool_input: Any = None
    stage: Stage = "screening"
    turn: int = 0
    greeted: bool = False
    guards: list[Guard] = field(default_factory=list[Guard])
    reviews: list[Guard] = field(default_factory=list[Guard])
    held: ModelAnswer | None = None
    calls: list[Call] = field(default_factory=list[Call])
    handoffs: list[HandoffCall] = field(default_factory=list[HandoffCall])
    responses: list[ResponseRecord] = field(default_factory=list[ResponseRecord])
    agents_with_tool_use: set[str] = field(default_factory=set[str])
    always: dict[str, dict[str, Decision]] = field(default_factory=dict[str, dict[str, Decision]])
    guardrails: list[GuardrailRecord] = field(default_factory=list[GuardrailRecord])
    kept: Kept | None = None
    final: Final | None = None
    recovery: Failure | None = None
    pending: list[SentInput] = field(default_factory=list[SentInput])
    admission: Admission | None = None
    session: SessionTrack | None = None
    settled_items: int = 0
    settled_turns: int = 0
    epochs: int = 1
    cuts: int = 0
    begun: int = 0
    used: Usage = field(default_factory=Usage)
    stopping: bool = False
    failure: Failure | None = None

    @property
    def requested(self) -> Transcript:
        """What requests to the model are made of."""
        return self.shown if self.pruned is None else self.pruned

    def append(self, data: bytes, kind: EntryKind, target: str = "") -> None:
        """Adds one item of the open turn to what was said, and to what the model gets."""
        self.record.append(data, kind, self.agent, self.turn, target)
        if self.shown is not self.record:
            self.shown.append(data, kind, self.agent, self.turn, target)
        if self.pruned is not None:
            self.pruned.append(data, kind, self.agent, self.turn, target)

    def call(self, call_id: str) -> Call | None:
        """A call of the open turn by our id."""
        return next((call for call in self.calls if call.id == call_id), None)


@dataclass(slots=True)
class LoopState:
    """All that a run knows.

    Attributes:
        agent_name: The agent that the run was started with.
        root: The run itself.
        snapshot: The agents as data; unknown until a worker has told, where the client knows a name only.
        context: The user's context as JSON, top-level fields. `usage`: Of the run, or of a thread's message alone.
        inherited: What of the usage another run has paid for, from whose state this one goes on.
        in_flight: The steps that the driver has started, with their frames' paths; `deferred`: those that workers
            declined without doing them, by the step's first id.
        call_ids: Every id that the model gave a call so far, with our ids of the calls that bore it.
        call_digests: The digest of every call so far by our id.
        decided: Every committed decision by our call id.
        resolved: What a person has said of each call whose outcome nobody knew, by our call id; the last word.
        effects: The calls that have had an effect that must not be repeated, and whether a key of the tool's names it.
        unknown_outcomes: Calls that may or may not have taken effect, and nobody has said (yet).
        message_ids: Of the inputs that were sent to the run, the last ones: each is taken once.
        warnings: What a person should know, the last few. `steering`: What holds the run up.
        thread: What a thread knows beyond its message's run.
    """

    agent_name: str
    root: Frame
    snapshot: Snapshot | None = None
    approval_timeout_seconds: float = 0.0
    tool_output_format: Literal["json", "str"] = "json"
    tool_output_bytes: int = MAX_ITEM_BYTES
    context: dict[str, Any] | None = None
    usage: Usage = field(default_factory=Usage)
    inherited: Usage | None = None
    in_flight: dict[str, str] = field(default_factory=dict[str, str])
    deferred: dict[str, Declined] = field(default_factory=dict[str, Declined])
    call_ids: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    call_digests: dict[str, str] = field(default_factory=dict[str, str])
    decided: dict[str, Decision] = field(default_factory=dict[str, Decision])
    resolved: dict[str, Resolution] = field(default_factory=dict[str, Resolution])
    effects: dict[str, bool] = field(default_factory=dict[str, bool])
    unknown_outcomes: list[str] = field(default_factory=list[str])
    message_ids: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])
    steering: Steering = field(default_factory=Steering)
    thread: Thread | None = None

    @property
    def failure(self) -> Failure | None:
        """Why the run fails, if it does; that of a thread's message is its outcome."""
        return self.root.failure if self.thread is None else self.thread.failure

    @property
    def paid(self) -> Usage:
        """What the run itself has used: a thread with all its messages, and nothing that another run has paid for."""
        paid = self.usage.since(self.inherited) if self.inherited is not None else self.usage
        if self.thread is None:
            return paid
        total = Usage()
        total.add(self.thread.used)
        total.add(paid)
        return total

    def pay(self, frame: Frame, usage: Usage) -> None:
        """Counts what an agent's model has used, whatever its answer is worth."""
        self.usage.add(usage)
        if frame.path:
            frame.used.add(usage)

    def definition(self, frame: Frame) -> AgentDefinition:
        """The definition of a frame's active agent."""
        return self.agents[frame.agent]

    @property
    def agents(self) -> dict[str, AgentDefinition]:
        """The definitions by key."""
        if self.snapshot is None:
            raise RuntimeError("the run has no snapshot of its agents yet")
        return self.snapshot.agents

    def frames(self) -> list[Frame]:
        """All frames, outer ones first, in call order."""
        found: list[Frame] = []
        waiting = [self.root]
        while waiting:
            frame = waiting.pop()
            found.append(frame)
            waiting += [call.child for call in reversed(frame.calls) if call.child is not None]
        return found

    def frame(self, path: str) -> Frame | None:
        """The frame at a path."""
        if not path:
            return self.root
        return next((frame for frame in self.frames() if frame.path == path), None)

    def call(self, call_id: str) -> Call | None:
        """An open call of any frame by our id."""
        return next((call for frame in self.frames() if (call := frame.call(call_id))), None)

    def waiting_calls(self) -> list[Call]:
        """The calls that wait for a decision, in call order."""
        return [call for frame in self.frames() for call in frame.calls if call.phase == "waiting"]

    def unknown_calls(self) -> list[Call]:
        """The calls of which nobody knows whether they took effect, in call order."""
        return [call for frame in self.frames() for call in frame.calls if call.phase == "unknown"]
