"""How an activity's end becomes an outcome of the loop."""

from __future__ import annotations

from typing import Any, cast

from temporalio import exceptions
from temporalio.exceptions import ActivityError, ApplicationError

from perdure.contracts import steps as contracts
from perdure.loop.state import Failure
from perdure.loop.steps import (
    AgentsSnapshotted,
    CallJudged,
    CallTool,
    ModelAnswered,
    Outcome,
    OutcomeUnknown,
    Step,
    StepDeclined,
    StepFailed,
    ToolReturned,
)


def success(result: Any) -> Outcome:
    """The outcome of an activity that returned."""
    match result:
        case contracts.CallModelOutput():
            return ModelAnswered(
                items=result.items,
                usage=result.usage.usage(),
                response_id=result.response_id,
                request_id=result.request_id,
                disabled=frozenset(result.disabled),
            )
        case contracts.CallToolOutput():
            return ToolReturned(result.item, result.is_value, result.context_changes)
        case contracts.JudgeCallOutput():
            return CallJudged(result.needs_approval)
        case contracts.SnapshotOutput():
            return AgentsSnapshotted(result.snapshot)
        case _:
            raise RuntimeError(f"activity returned {type(result).__name__}, which no step has as its result")


def failure(step: Step, error: ActivityError) -> Outcome:
    """The outcome of an activity that failed for good.

    A tool that says so itself ends the run or is offered again; one whose worker was lost has an unknown outcome.
    """
    cause = error.cause
    if isinstance(cause, ApplicationError):
        if cause.type == contracts.STEP_DECLINED:
            return StepDeclined(cause.message)
        if cause.type == contracts.ATTEMPT_LOST and isinstance(step, CallTool):
            return OutcomeUnknown()
        return StepFailed(Failure(cause.type or "ApplicationError", cause.message, _details(cause)))
    if isinstance(step, CallTool):
        return OutcomeUnknown()
    if isinstance(cause, exceptions.TimeoutError) and cause.type == exceptions.TimeoutType.HEARTBEAT:
        text = f"Step {step.id} was lost with its worker ten times; look at the workers' logs before running it again."
    else:
        text = f"Step {step.id} did not end in time or was cancelled: {cause or error}"
    return StepFailed(Failure("StepLost", text))


def _details(error: ApplicationError) -> dict[str, Any]:
    first = error.details[0] if error.details else None
    return cast("dict[str, Any]", first) if isinstance(first, dict) else {}
