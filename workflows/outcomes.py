"""How an activity's end becomes an outcome of the loop."""

from __future__ import annotations

from typing import Any, cast

from temporalio import exceptions, workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from perdure.canonical import encode
from perdure.contracts import said
from perdure.contracts import steps as contracts
from perdure.contracts.effects import OUTCOME_UNKNOWN
from perdure.contracts.sessions import ReadSessionOutput, WriteSessionOutput
from perdure.loop.edits import EditedHistory, EditedItem, Rewritten
from perdure.loop.records import Chunk, Entry, Failure, Final, GuardrailRecord, ModelAnswer
from perdure.loop.steps import (
    AgentsSnapshotted,
    CallTool,
    CheckGuardrail,
    GuardrailChecked,
    HooksRan,
    ModelAnswered,
    Outcome,
    OutcomeUnknown,
    SessionRead,
    SessionWritten,
    Step,
    StepDeclined,
    StepFailed,
    ToolReturned,
    UserSaid,
)

from .unopened import unopened_input, unopened_result

# Of an attempt that has not come to say what became of a call.
_SAYS_NOTHING = (contracts.ATTEMPT_LOST, contracts.BLOB_STORE_DOWN, OUTCOME_UNKNOWN)
# What Temporal says for a worker that has no such activity, as one of an older version.
_UNKNOWN_ACTIVITY = "NotFoundError"


def success(step: Step, result: Any, agent: str, tool: str) -> Outcome:
    """The outcome of an activity that returned.

    Args:
        step: What it was for.
        result: What it returned.
        agent: The key of the agent that was active.
        tool: The tool that a guardrail was asked about, if it was about one.
    """
    match result:
        case contracts.CallModelOutput():
            return ModelAnswered(_answer(result))
        case contracts.CallToolOutput():
            return ToolReturned(result.item, result.is_value, result.context_changes, result.is_object)
        case contracts.GuardrailOutput() if isinstance(step, CheckGuardrail):
            return _checked(step, result, agent, tool)
        case contracts.HookOutput():
            return HooksRan(result.context_changes)
        case contracts.CallUserOutput():
            return _said(result)
        case _:
            return _of_the_run(step, result)


def _of_the_run(step: Step, result: Any) -> Outcome:
    match result:
        case RawValue():
            return unopened_result(step, result)
        case contracts.SnapshotOutput():
            return AgentsSnapshotted(result.snapshot)
        case ReadSessionOutput():
            record = said.RewrittenTranscript(chunks=result.chunks, entries=result.entries)
            return SessionRead(_rewritten(record), result.new, result.last)
        case WriteSessionOutput():
            return SessionWritten(result.last)
        case _:
            raise RuntimeError(f"activity returned {type(result).__name__}, which no step has as its result")


def _answer(result: contracts.CallModelOutput) -> ModelAnswer:
    return ModelAnswer(
        items=result.items,
        usage=result.usage.usage_of_answer(),
        response_id=result.response_id,
        request_id=result.request_id,
        disabled=frozenset(result.disabled),
        invalid_output=result.invalid_output,
        context_changes=result.context_changes,
        raw_usage=result.raw_usage,
    )


def _checked(step: CheckGuardrail, result: contracts.GuardrailOutput, agent: str, tool: str) -> GuardrailChecked:
    said = GuardrailRecord(
        kind=step.kind,
        source=step.source,
        index=step.index,
        name=step.name,
        agent=agent,
        tool=tool,
        call_id=step.call_id,
        behavior=result.behavior,
        message=result.message,
        output_info=result.output_info,
    )
    return GuardrailChecked(said, result.context_changes)


def _said(result: contracts.CallUserOutput) -> UserSaid:
    values: dict[str, Any] = {"needs_approval": result.needs_approval, "text": result.text}
    if result.built is not None:
        built = result.built
        values |= {"input": built.items, "input_is_text": built.is_text, "tool_input": built.tool_input}
        if built.problem_type:
            values["problem"] = Failure(built.problem_type, built.problem)
    output = result.output
    if result.chosen is not None and result.chosen.is_final:
        output = result.chosen.output or contracts.Output()
    if result.handled is not None:
        output, values["in_history"] = result.handled.output, result.handled.include_in_history
        values["message"] = result.handled.message
    if output is not None:
        text = None if output.item is not None else output.text
        values["output"] = Final(output.kind, text=text, item=output.item)
    if result.handed_off is not None:
        values |= {"agent": result.handed_off.agent, "definitions": result.handed_off.definitions}
    if result.edited is not None:
        values["edited"] = _edited(result.edited)
    return UserSaid(context_changes=result.context_changes, **values)


def _edited(edited: contracts.EditedHistory) -> EditedHistory:
    return EditedHistory(
        input=_items(edited.input),
        input_is_text=edited.input_is_text,
        before=_items(edited.before),
        new=_items(edited.new),
        shown=None if edited.shown is None else _items(edited.shown),
        record=None if edited.record is None else _rewritten(edited.record),
        rewritten=None if edited.rewritten is None else _rewritten(edited.rewritten),
        pruned=None if edited.pruned is None else _rewritten(edited.pruned),
    )


def _rewritten(transcript: said.RewrittenTranscript) -> Rewritten:
    return Rewritten(
        [Chunk(each.sha256, each.count, each.digest, each.inputs) for each in transcript.chunks],
        [Entry(encode(each.item), each.kind, each.agent, each.turn, "", each.target) for each in transcript.entries],
    )


def _items(items: list[said.EditedItem]) -> list[EditedItem]:
    return [EditedItem(each.place, each.item, each.kind, each.agent, each.target) for each in items]


def failure(step: Step, error: FailureError) -> Outcome:
    """The outcome of an activity that failed for good.

    A step that says so itself ends the run or is offered again. Of one whose workers were lost a tool's has an unknown
    outcome, any other is offered again once somebody resumes the run.
    """
    cause = _cause(error)
    if unopened := unopened_input(error):
        return StepDeclined(unopened)
    if isinstance(cause, ApplicationError):
        return _told(step, cause)
    if isinstance(step, CallTool):
        return OutcomeUnknown()
    return _unsaid(step, cause or error)


def _told(step: Step, cause: ApplicationError) -> Outcome:
    """The outcome of an activity that said itself what it has come to."""
    if cause.type == contracts.STEP_DECLINED or (cause.type == _UNKNOWN_ACTIVITY and not cause.non_retryable):
        return StepDeclined(cause.message)
    if cause.type in _SAYS_NOTHING and isinstance(step, CallTool):
        return OutcomeUnknown("" if cause.type == contracts.ATTEMPT_LOST else cause.message)
    if cause.type == contracts.BLOB_STORE_DOWN:
        text = f"{cause.message} Ten attempts were made: resume the run then."
        return StepDeclined(text, lost_at=workflow.time())
    return StepFailed(Failure(cause.type or "ApplicationError", cause.message, _details(cause)))


def _unsaid(step: Step, cause: BaseException) -> Outcome:
    """The outcome of an activity of which its workers said nothing."""
    if isinstance(cause, exceptions.TimeoutError) and cause.type == exceptions.TimeoutType.HEARTBEAT:
        text = f"Step {step.id} was lost with its worker ten times. Look at the workers' logs, and resume the run."
        return StepDeclined(text, lost_at=workflow.time())
    return StepFailed(Failure("StepLost", f"Step {step.id} did not end in time or was cancelled: {cause}"))


def is_outcome(error: FailureError) -> bool:
    """Whether a failed local attempt has said how the step ended; one that has not is made again as an ordinary one."""
    cause = _cause(error)
    if isinstance(cause, exceptions.CancelledError):
        return True
    return isinstance(cause, ApplicationError) and cause.non_retryable and cause.type != contracts.STEP_DECLINED


def _cause(error: FailureError) -> BaseException | None:
    """What the activity itself said; of a local one Temporal gives that alone."""
    return error.cause if isinstance(error, ActivityError) else error


def _details(error: ApplicationError) -> dict[str, Any]:
    first = error.details[0] if error.details else None
    return cast("dict[str, Any]", first) if isinstance(first, dict) else {}
