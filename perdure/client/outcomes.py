"""How a run's end, or its pause, becomes what the caller gets: a result or the exception that the SDK would raise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from temporalio import exceptions
from temporalio.client import WorkflowFailureError

from perdure import errors
from perdure.agent import Agent
from perdure.client.reading import Transcript, open_items
from perdure.context import RunContextWrapper
from perdure.contracts.messages import StatusView
from perdure.contracts.run import RunOutcome
from perdure.items import ToolApprovalItem, TResponseInputItem
from perdure.portable_context import update_context
from perdure.result import RunErrorDetails, RunResult
from perdure.served import Lent
from perdure.usage import Usage

_REBUILT: dict[str, type[errors.AgentsException]] = {
    name: cast("type[errors.AgentsException]", getattr(errors, name))
    for name in ("MaxTurnsExceeded", "ModelBehaviorError", "ModelRefusalError", "UserError", "ContextNotPortableError")
}


@dataclass(frozen=True, slots=True)
class Caller:
    """What the caller knows of its run.

    Attributes:
        agent: The agent that items are attributed to.
        input: What the caller gave; `None` if it attached to a run that it did not start.
        lent: The caller's objects, if the run is served by them.
    """

    run_id: str
    agent: Agent[Any]
    input: str | list[TResponseInputItem] | None = None
    lent: Lent | None = None
    max_turns: int | None = 10


def result_of(caller: Caller, transcript: Transcript, outcome: RunOutcome) -> RunResult:
    """The result of a run that finished."""
    wrapper = _context(caller, transcript, outcome.context)
    details = _details(caller, transcript, wrapper)
    return RunResult(
        **vars(details),
        final_output=transcript.final_text(outcome),
        max_turns=caller.max_turns,
        run_id=caller.run_id,
    )


def pause_of(caller: Caller, transcript: Transcript, status: StatusView) -> RunResult:
    """Where a run stands while calls wait for approval."""
    details = _details(caller, transcript, _context(caller, transcript, None))
    details.new_items += open_items(caller.agent, status)
    waiting = [item for item in details.new_items if isinstance(item, ToolApprovalItem)]
    return RunResult(**vars(details), interruptions=waiting, max_turns=caller.max_turns, run_id=caller.run_id)


def failed_outcome(error: WorkflowFailureError) -> RunOutcome | None:
    """How far a failed run had come, if its failure says so."""
    cause = error.cause
    details = cause.details if isinstance(cause, exceptions.ApplicationError) else ()
    return RunOutcome.model_validate(details[0]) if details and isinstance(details[0], dict) else None


def exception_of(
    error: WorkflowFailureError, caller: Caller, transcript: Transcript | None, outcome: RunOutcome | None
) -> BaseException:
    """The exception for the caller of a run that failed."""
    cause = error.cause
    if isinstance(cause, exceptions.ApplicationError):
        raised = _own_exception(caller, cause) or _rebuilt(cause)
        if isinstance(raised, errors.AgentsException) and transcript is not None and outcome is not None:
            raised.run_data = _details(caller, transcript, _context(caller, transcript, outcome.context))
        return raised
    if isinstance(cause, exceptions.CancelledError):
        return errors.RunCancelled(f"Run {caller.run_id!r} was cancelled.")
    if isinstance(cause, exceptions.TerminatedError):
        return errors.RunCancelled(f"Run {caller.run_id!r} was terminated: {cause.message}")
    return errors.RunFailed(f"Run {caller.run_id!r} ended: {cause or error}", type_name=type(cause).__name__)


def _own_exception(caller: Caller, cause: exceptions.ApplicationError) -> BaseException | None:
    """The very object that user code in this process raised."""
    token = _second_detail(cause).get("token")
    if caller.lent is None or not isinstance(token, int) or token >= len(caller.lent.errors):
        return None
    raised = caller.lent.errors[token]
    return raised if type(raised).__name__ == cause.type else None


def _rebuilt(cause: exceptions.ApplicationError) -> errors.AgentsException:
    name, detail = cause.type or "", _second_detail(cause)
    if name == "ToolTimeoutError" and "tool_name" in detail:
        return errors.ToolTimeoutError(detail["tool_name"], detail["timeout_seconds"])
    known = _REBUILT.get(name)
    if known is not None:
        return known(cause.message)
    return errors.RunFailed(cause.message, type_name=name, traceback_text=detail.get("traceback", ""))


def _second_detail(cause: exceptions.ApplicationError) -> dict[str, Any]:
    second = cause.details[1] if len(cause.details) > 1 else None
    return cast("dict[str, Any]", second) if isinstance(second, dict) else {}


def _details(caller: Caller, transcript: Transcript, wrapper: RunContextWrapper[Any]) -> RunErrorDetails:
    return RunErrorDetails(
        input=caller.input if caller.input is not None else transcript.input(),
        new_items=transcript.new_items(caller.agent),
        raw_responses=transcript.raw_responses(),
        last_agent=caller.agent,
        context_wrapper=wrapper,
    )


def _context(caller: Caller, transcript: Transcript, state: dict[str, Any] | None) -> RunContextWrapper[Any]:
    """The caller's context with what tools changed in it, and the usage of all answers."""
    usage = Usage()
    for record in transcript.responses:
        usage.add(record.usage.usage())
    given = caller.lent.context if caller.lent is not None else None
    if given is not None and state is not None:
        update_context(given, state)
    return RunContextWrapper(given if given is not None else state, usage)
