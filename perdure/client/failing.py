"""How a failed run becomes the exception that the caller gets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

from pydantic import ValidationError
from temporalio import exceptions
from temporalio.client import WorkflowFailureError

from perdure import errors
from perdure.client.guardrails import tripwire_triggered
from perdure.client.outcomes import Caller, details_of, final_output
from perdure.client.progress import Progress
from perdure.client.saving import Reached
from perdure.contracts.run import RunOutcome
from perdure.contracts.told import GuardrailView

_REBUILT: dict[str, Callable[[str], errors.AgentsException]] = {
    "AgentsException": errors.AgentsException,
    "BlobStoreDown": errors.BlobStoreDown,
    "BlobUnavailable": errors.BlobUnavailable,
    "ContextNotPortableError": errors.ContextNotPortableError,
    "ConversationStateUnknown": errors.ConversationStateUnknown,
    "MaxTurnsExceeded": errors.MaxTurnsExceeded,
    "ModelBehaviorError": errors.ModelBehaviorError,
    "UserError": errors.UserError,
}
_GUARDRAILS = (
    "InputGuardrailTripwireTriggered",
    "OutputGuardrailTripwireTriggered",
    "ToolInputGuardrailTripwireTriggered",
    "ToolOutputGuardrailTripwireTriggered",
)
_REFUSAL = re.compile(r"Model refused to produce output: (.*)", re.DOTALL)


def failed_outcome(error: WorkflowFailureError) -> RunOutcome | None:
    """How far a failed run had come, if its failure says so."""
    cause = error.cause
    details = cause.details if isinstance(cause, exceptions.ApplicationError) else ()
    return RunOutcome.model_validate(details[0]) if details and isinstance(details[0], dict) else None


def exception_of(
    error: WorkflowFailureError, caller: Caller, reached: Reached | None, outcome: RunOutcome | None
) -> BaseException:
    """The exception for the caller of a run that failed."""
    cause = error.cause
    if isinstance(cause, exceptions.ApplicationError):
        raised = _raised(cause, caller, reached, outcome)
        if isinstance(raised, errors.AgentsException) and reached is not None and outcome is not None:
            settled = reached.said.first(outcome.settled_items, outcome.settled_turns)
            judged = _judged(caller, reached, outcome)
            raised.run_data = details_of(caller, Progress.of_outcome(outcome), settled, judged)
        return raised
    if isinstance(cause, exceptions.CancelledError):
        return errors.RunCancelled(f"Run {caller.run_id!r} was cancelled.")
    if isinstance(cause, exceptions.TerminatedError):
        return errors.RunCancelled(f"Run {caller.run_id!r} was terminated: {cause.message}")
    return errors.RunFailed(f"Run {caller.run_id!r} ended: {cause or error}", type_name=type(cause).__name__)


def _raised(
    cause: exceptions.ApplicationError, caller: Caller, reached: Reached | None, outcome: RunOutcome | None
) -> BaseException:
    detail = _second_detail(cause)
    original = _original(caller, detail)
    if original is not None and type(original).__name__ == cause.type:
        return original  # the very object that user code in this process raised
    judged = _judged(caller, reached, outcome) if reached is not None and outcome is not None else None
    raised = _tripwire(cause, caller, detail, judged) or _rebuilt(cause, detail)
    if original is not None:
        raised.__cause__ = original
    return raised


def _original(caller: Caller, detail: dict[str, Any]) -> BaseException | None:
    """What user code in this process raised, where that led to the failure."""
    token = detail.get("token")
    if caller.lent is None or not isinstance(token, int) or token >= len(caller.lent.errors):
        return None
    return caller.lent.errors[token]


def _tripwire(
    cause: exceptions.ApplicationError, caller: Caller, detail: dict[str, Any], judged: Any
) -> errors.AgentsException | None:
    if cause.type not in _GUARDRAILS:
        return None
    try:
        view = GuardrailView.model_validate(detail.get("guardrail"))
    except ValidationError:  # as of a tripwire that user code in another process raised by itself
        return None
    return tripwire_triggered(caller.cast, view, judged)


def _judged(caller: Caller, reached: Reached, outcome: RunOutcome) -> Any:
    """The final output that output guardrails judged, if the run came to one."""
    if not any(view.kind == "output" for view in outcome.guardrails):
        return None
    return final_output(caller.cast, reached, outcome)


def _rebuilt(cause: exceptions.ApplicationError, detail: dict[str, Any]) -> errors.AgentsException:
    name = cause.type or ""
    if name == "ToolTimeoutError" and "tool_name" in detail:
        return errors.ToolTimeoutError(detail["tool_name"], detail["timeout_seconds"])
    if name == "ModelTimeoutError" and "timeout_seconds" in detail:
        return errors.ModelTimeoutError(detail["timeout_seconds"])
    if name == "ModelRefusalError":
        said = _REFUSAL.fullmatch(cause.message)
        return errors.ModelRefusalError(detail.get("refusal", said[1] if said else cause.message))
    known = _REBUILT.get(name)
    if known is not None:
        return known(cause.message)
    return errors.RunFailed(cause.message, type_name=name, traceback_text=detail.get("traceback", ""))


def _second_detail(cause: exceptions.ApplicationError) -> dict[str, Any]:
    second = cause.details[1] if len(cause.details) > 1 else None
    return cast("dict[str, Any]", second) if isinstance(second, dict) else {}
