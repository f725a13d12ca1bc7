"""The ledger of effects: what is said to the workflow that remembers one effect, and what it answers."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from perdure.contracts.run import problems_of
from perdure.contracts.steps import CallToolOutput, ToolCall
from perdure.definition import Frozen

EFFECT = "Effect"  # the workflow's type
EFFECTS_QUEUE = "perdure-effects"  # every worker serves it: it runs no code of the user
RESOLVE_EFFECT = "resolve_effect"  # the activity's type

# Types of activity failures that the workflow tells apart.
OUTCOME_UNKNOWN = "OutcomeUnknown"  # the call may or may not have had its effect, and was not run (again)

EffectStatus = Literal[
    "free",  # nobody has it: whoever asks next may go ahead
    "claimed",  # an attempt is at it
    "done",  # it happened
    "unknown",  # an attempt was at it and nobody knows what came of it
]
EffectOutcome = Literal["happened", "not_happened", "retry"]


def effect_id(key: str) -> str:
    """The id of the workflow that remembers an effect."""
    return f"effect/{key}"


class Attempt(Frozen):
    """Who goes ahead with an effect: one attempt of one call.

    Attributes:
        token: Names the attempt, and no other one.
        run_id: The run; `execution` is the run id of its workflow execution.
        call: The call as it would stand in code.
        at: ISO 8601, UTC.
    """

    token: str
    run_id: str
    execution: str
    call_id: str
    activity_id: str
    attempt: int
    tool: str
    call: str
    digest: str
    at: str

    def is_of(self, other: Attempt) -> bool:
        """Whether both are attempts of one call."""
        return (self.run_id, self.call_id) == (other.run_id, other.call_id)


class Told(Frozen):
    """What became of an effect.

    Attributes:
        verdict: `"done"`, `"free"` (it did not happen) or `"unknown"`.
        attempt: The attempt that tells it, or, of a verdict of a person or a tool's `verify`, the call's.
        output: What the call returned.
        note: How it is known, for people.
        judged: Whether a person or a `verify` has judged, instead of the attempt itself.
    """

    verdict: Literal["done", "free", "unknown"]
    attempt: Attempt
    output: CallToolOutput | None = None
    note: str = ""
    judged: bool = False


class EffectView(Frozen):
    """What is known of an effect.

    Attributes:
        attempt: The last one that went ahead with it.
        note: How it is known, for people.
        late: What was told too late to count, the last few.
    """

    key: str
    status: EffectStatus = "free"
    attempt: Attempt | None = None
    output: CallToolOutput | None = None
    note: str = ""
    late: list[str] = []


class ResolveEffectInput(Frozen):
    """What a person has found out about a call whose outcome was unknown.

    Attributes:
        result: What came of it, if it happened and that is known.
    """

    call: ToolCall
    outcome: EffectOutcome
    result: str | None = None
    by: str | None = None


_Fact = TypeVar("_Fact", Attempt, EffectView, Told)


def read_fact(kind: type[_Fact], value: Any) -> _Fact:
    """The fact in whatever was sent.

    Raises:
        ValueError: It is none; the text says what is wrong with it.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise ValueError(f"This is no {kind.__name__}: {problems_of(error)}") from None
