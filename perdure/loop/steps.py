"""What the loop asks for (steps), what it says of them (actions), and how they end (outcomes)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from perdure.definition import Snapshot
from perdure.loop.state import Failure
from perdure.usage import Usage


@dataclass(slots=True, frozen=True)
class SnapshotAgents:
    """Take the snapshot of an agent that is known by name only."""

    id: str
    agent: str


@dataclass(slots=True, frozen=True)
class CallModel:
    """Ask the model; `delay_seconds` later if a worker declined it before."""

    id: str
    turn: int
    delay_seconds: float = 0.0


@dataclass(slots=True, frozen=True)
class JudgeCall:
    """Ask the tool's approval rule about a call; `delay_seconds` later if a worker declined it before."""

    id: str
    call_id: str
    delay_seconds: float = 0.0


@dataclass(slots=True, frozen=True)
class CallTool:
    """Run a tool call; `delay_seconds` later if a worker declined it before."""

    id: str
    call_id: str
    delay_seconds: float = 0.0


Step: TypeAlias = SnapshotAgents | CallModel | JudgeCall | CallTool


@dataclass(slots=True, frozen=True)
class Start:
    """This step may start now."""

    step: Step


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


Action: TypeAlias = Start | Wait | Finish | Fail


@dataclass(slots=True, frozen=True)
class AgentsSnapshotted:
    """The agents are known."""

    snapshot: Snapshot


@dataclass(slots=True, frozen=True)
class ModelAnswered:
    """The model's answer: its items in stored form, and the tools that were switched off when it was asked."""

    items: list[dict[str, Any]]
    usage: Usage
    response_id: str | None = None
    request_id: str | None = None
    disabled: frozenset[str] = frozenset()


@dataclass(slots=True, frozen=True)
class CallJudged:
    """What the approval rule says of a call."""

    needs_approval: bool


@dataclass(slots=True, frozen=True)
class ToolReturned:
    """A tool call's output item, whether its text is the JSON of a value, and the context's fields that it changed."""

    item: dict[str, Any]
    is_value: bool = False
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
    """The step cannot succeed; the run ends with this failure."""

    failure: Failure


Outcome: TypeAlias = (
    AgentsSnapshotted
    | ModelAnswered
    | CallJudged
    | ToolReturned
    | StepDeclined
    | OutcomeUnknown
    | WaitedTooLong
    | StepFailed
)
