"""What the loop asks for (steps), what it says of them (actions), and how they end (outcomes)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from perdure.definition import AgentDefinition, Snapshot
from perdure.loop.records import Chunk, Entry, EntryKind, Failure, Final, GuardrailRecord, ModelAnswer

Role = Literal[
    "needs_approval",
    "tool_error_formatter",
    "failure_error_function",
    "input_builder",
    "custom_output_extractor",
    "tool_use_behavior",
    "on_handoff",
    "handoff_input_filter",
    "error_handler",
]


@dataclass(slots=True, frozen=True, kw_only=True)
class _Step:
    """A step: its id, the frame that it belongs to, and how long it waits because a worker declined it before."""

    id: str
    path: str = ""
    delay_seconds: float = 0.0


@dataclass(slots=True, frozen=True, kw_only=True)
class SnapshotAgents(_Step):
    """Take the snapshot of an agent that is known by name only."""

    agent: str


@dataclass(slots=True, frozen=True, kw_only=True)
class CallModel(_Step):
    """Ask the model."""

    turn: int


@dataclass(slots=True, frozen=True, kw_only=True)
class CallTool(_Step):
    """Run a tool call."""

    call_id: str


@dataclass(slots=True, frozen=True, kw_only=True)
class CheckGuardrail(_Step):
    """Ask a guardrail whether this may pass: the input, the final output, a call or its output."""

    kind: Literal["input", "output", "tool_input", "tool_output"]
    source: Literal["agent", "run", "tool"]
    index: int
    name: str
    call_id: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class RunHook(_Step):
    """Tell the hooks of the run and of the agent; the event is named as the run's hooks name it."""

    event: str
    call_id: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class CallUser(_Step):
    """Call a function of the user in one of its roles."""

    role: Role
    call_id: str = ""


Step: TypeAlias = SnapshotAgents | CallModel | CallTool | CheckGuardrail | RunHook | CallUser


@dataclass(slots=True, frozen=True)
class Start:
    """This step may start now."""

    step: Step


@dataclass(slots=True, frozen=True)
class Cancel:
    """Nobody wants this step's outcome any more."""

    id: str


@dataclass(slots=True, frozen=True)
class Wait:
    """A call waits for a decision, at most this long; the id is the same as long as it is the same wait."""

    id: str
    call_id: str
    seconds: float


@dataclass(slots=True, frozen=True)
class Finish:
    """The run has its result."""


@dataclass(slots=True, frozen=True)
class Fail:
    """The run has failed."""

    failure: Failure


Action: TypeAlias = Start | Cancel | Wait | Finish | Fail


@dataclass(slots=True, frozen=True)
class AgentsSnapshotted:
    """The agents are known."""

    snapshot: Snapshot


@dataclass(slots=True, frozen=True)
class ModelAnswered:
    """The model's answer."""

    answer: ModelAnswer


@dataclass(slots=True, frozen=True)
class ToolReturned:
    """A tool call's output item, whether its text is the JSON of a value, and the context's fields that it changed.

    Attributes:
        is_object: Whether the value is an object of the user's.
    """

    item: dict[str, Any]
    is_value: bool = False
    context_changes: dict[str, Any] = field(default_factory=dict[str, Any])
    is_object: bool = False


@dataclass(slots=True, frozen=True)
class GuardrailChecked:
    """What a guardrail said: let it pass, give the model a message instead, or end the run."""

    said: GuardrailRecord
    context_changes: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True, frozen=True)
class HooksRan:
    """The hooks were told."""

    context_changes: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True, frozen=True)
class EditedItem:
    """One item of an edited conversation: the one at `place` of the record, or a new one."""

    place: int | None = None
    item: dict[str, Any] | None = None
    kind: EntryKind = "answer"
    agent: str = ""
    target: str = ""


@dataclass(slots=True, frozen=True)
class Rewritten:
    """A transcript that an edit has made: sealed items, then the newest ones, whose digests are not known yet."""

    sealed: list[Chunk]
    entries: list[Entry]


@dataclass(slots=True, frozen=True)
class EditedHistory:
    """What the next agent gets; `shown` is what the model gets instead of `before` and `new`, if that differs.

    Where older items are sealed, the edit comes carried out: as the `record` that it makes, and what the model gets
    (`rewritten`), and requests are made of (`pruned`), where these differ.
    """

    input: list[EditedItem]
    input_is_text: bool
    before: list[EditedItem]
    new: list[EditedItem]
    shown: list[EditedItem] | None = None
    record: Rewritten | None = None
    rewritten: Rewritten | None = None
    pruned: Rewritten | None = None


@dataclass(slots=True, frozen=True)
class UserSaid:
    """What a function of the user said; what its role asks for is set.

    Attributes:
        needs_approval: `needs_approval`.
        text: `tool_error_formatter` (`None`: the default text holds), `failure_error_function` (`None`: the failure
            stands).
        input: `input_builder`: the items; `input_is_text` and `tool_input` with them; or why there are none.
        output: `custom_output_extractor`, `tool_use_behavior` (`None`: the model goes on), `error_handler` (`None`: it
            declined).
        agent: `on_handoff`: the key of the agent that takes over, with the definitions that the snapshot lacks.
        edited: `handoff_input_filter`.
        in_history: `error_handler`: whether its output is part of the conversation, as `message` if that is set.
    """

    needs_approval: bool = False
    text: str | None = None
    input: list[dict[str, Any]] | None = None
    input_is_text: bool = True
    tool_input: Any = None
    problem: Failure | None = None
    output: Final | None = None
    agent: str = ""
    definitions: dict[str, AgentDefinition] = field(default_factory=dict[str, AgentDefinition])
    edited: EditedHistory | None = None
    in_history: bool = True
    message: dict[str, Any] | None = None
    context_changes: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True, frozen=True)
class StepDeclined:
    """The worker did not do the step, certainly, as it lacks what the step needs; another one may."""

    reason: str


@dataclass(slots=True, frozen=True)
class OutcomeUnknown:
    """The worker was lost while it ran a call that must not be repeated."""


@dataclass(slots=True, frozen=True)
class WaitedTooLong:
    """Nobody decided about a call in time."""


@dataclass(slots=True, frozen=True)
class StepFailed:
    """The step cannot succeed; the run, or the agent that runs as a tool, ends with this failure."""

    failure: Failure


Outcome: TypeAlias = (
    AgentsSnapshotted
    | ModelAnswered
    | ToolReturned
    | GuardrailChecked
    | HooksRan
    | UserSaid
    | StepDeclined
    | OutcomeUnknown
    | WaitedTooLong
    | StepFailed
)
