"""What the loop asks for (steps), what it says of them (actions), and how they end (outcomes)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from perdure.definition import AgentDefinition, Snapshot
from perdure.loop.edits import EditedHistory, Rewritten
from perdure.loop.records import Failure, Final, GuardrailRecord, ModelAnswer
from perdure.roles import Role

OFFERED_AGAIN = "~"  # in the id of a step that was declined: before how often that was


def first_id(step_id: str) -> str:
    """The id under which a step was offered first."""
    return step_id.partition(OFFERED_AGAIN)[0]


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
class ResolveEffect(_Step):
    """Tell the ledger what a person has said about a call whose outcome nobody knew."""

    call_id: str


@dataclass(slots=True, frozen=True, kw_only=True)
class CheckGuardrail(_Step):
    """Ask a guardrail whether this may pass: the input, what was `added`, the final output, a call or its output."""

    kind: Literal["input", "output", "tool_input", "tool_output"]
    source: Literal["agent", "run", "tool"]
    index: int
    name: str
    call_id: str = ""
    added: bool = False


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


@dataclass(slots=True, frozen=True, kw_only=True)
class UseSession(_Step):
    """Read the history of the session, or tell the session the oldest of what is due."""

    does: Literal["read", "write"]
    call_id: str = ""


Step: TypeAlias = (
    SnapshotAgents | CallModel | CallTool | ResolveEffect | CheckGuardrail | RunHook | CallUser | UseSession
)


@dataclass(slots=True, frozen=True)
class Start:
    """This step may start now."""

    step: Step


@dataclass(slots=True, frozen=True)
class Cancel:
    """Nobody wants this step's outcome any more."""

    id: str


@dataclass(slots=True, frozen=True)
class Interrupt:
    """This model call is to stop; what it has said by then is its outcome, and waited for."""

    id: str


@dataclass(slots=True, frozen=True)
class Wait:
    """A call waits for a person's word, at most this long; the id is the same as long as it is the same wait."""

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


Action: TypeAlias = Start | Cancel | Interrupt | Wait | Finish | Fail


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
class SessionRead:
    """The history of the session and the new input, combined.

    Attributes:
        record: The run's input from now on.
        new: What of it the session does not have yet, in stored form.
        last: The digests of the session's last items.
    """

    record: Rewritten
    new: list[dict[str, Any]]
    last: list[str] = field(default_factory=list[str])


@dataclass(slots=True, frozen=True)
class SessionWritten:
    """The session has what it was told; `last` as in `SessionRead`."""

    last: list[str] = field(default_factory=list[str])


@dataclass(slots=True, frozen=True)
class StepDeclined:
    """The step is offered again: a worker lacked what it needs, or every worker that took it was lost.

    Attributes:
        lost_at: When the last of the lost ones was given up; the run pauses before it costs another one.
    """

    reason: str
    lost_at: float | None = None


@dataclass(slots=True, frozen=True)
class OutcomeUnknown:
    """A call may or may not have taken effect; `why` says how that came."""

    why: str = ""


@dataclass(slots=True, frozen=True)
class WaitedTooLong:
    """Nobody said in time what a call waits for."""


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
    | SessionRead
    | SessionWritten
    | StepDeclined
    | OutcomeUnknown
    | WaitedTooLong
    | StepFailed
)
