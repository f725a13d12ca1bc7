"""Records: what a step's outcome changes in the state of the run.

The order of absorption is the order of the history, so a replay absorbs the same. An answer that cannot be followed
leaves nothing behind but the failure and what it cost.
"""

from __future__ import annotations

from perdure.canonical import encode
from perdure.loop.answer import Answer, call_digest, read_answer
from perdure.loop.decisions import answer_call, apply_decision
from perdure.loop.state import Call, CallPhase, Decision, Failure, LoopState, ResponseRecord
from perdure.loop.steps import (
    AgentsSnapshotted,
    CallJudged,
    ModelAnswered,
    Outcome,
    OutcomeUnknown,
    StepDeclined,
    StepFailed,
    ToolReturned,
    WaitedTooLong,
)
from perdure.loop.turn import close_turn_if_done, warn

_UNKNOWN = (
    "The outcome of this call is unknown: the worker was lost while it ran, so it may or may not have taken effect. "
    "It was not repeated. Find out what happened before you try again."
)


def started(state: LoopState, step_id: str) -> None:
    """Records that the driver started a step."""
    state.in_flight.add(step_id)
    if step_id.startswith("model."):
        state.transcript.sent = len(state.transcript.entries)


def absorb(state: LoopState, step_id: str, call_id: str | None, outcome: Outcome, now: float) -> None:
    """Records the outcome of a step or wait.

    Args:
        state: The run, changed in place.
        step_id: The step; an outcome of one that is not in flight changes nothing.
        call_id: The call that the step or wait is about, if it is about one.
        outcome: How it ended.
        now: The workflow's time, in seconds since the epoch.
    """
    call = state.call(call_id) if call_id is not None else None
    if isinstance(outcome, WaitedTooLong):
        if call is not None and call.phase == "waiting":
            _absorb_timeout(state, call, now)
    elif step_id in state.in_flight:
        state.in_flight.discard(step_id)
        _absorb_outcome(state, call, outcome, now)
    close_turn_if_done(state)


def _absorb_outcome(state: LoopState, call: Call | None, outcome: Outcome, now: float) -> None:
    match outcome:
        case StepFailed(failure):
            state.failure = state.failure or failure
        case AgentsSnapshotted(snapshot):
            state.snapshot, state.agent = snapshot, snapshot.start
        case ModelAnswered():
            _absorb_answer(state, outcome, now)
        case CallJudged(needs_approval) if call is not None:
            call.since, call.deferred = now, 0
            _settle(state, call, "waiting" if needs_approval else "ready")
        case ToolReturned(item, is_value, changes) if call is not None:
            call.output, call.output_is_value, call.context_changes, call.phase = item, is_value, changes, "done"
        case StepDeclined(reason):
            _absorb_declined(state, call, reason)
        case OutcomeUnknown() if call is not None:
            state.unknown_outcomes.append(call.id)
            answer_call(call, _UNKNOWN)
        case _:
            raise RuntimeError(f"outcome {type(outcome).__name__} belongs to no call of the open turn")


def _absorb_declined(state: LoopState, call: Call | None, reason: str) -> None:
    """The step is offered again, to a worker that can do it, however often it takes."""
    (state if call is None else call).deferred += 1
    waiting = f"Turn {state.turn + 1}" if call is None else f"Call {call.id}"
    warn(state, f"{waiting} waits for a worker: {reason}")


def _absorb_timeout(state: LoopState, call: Call, now: float) -> None:
    reason = f"Nobody decided about this call within {_duration(state.approval_timeout_seconds)}."
    decision = Decision(approve=False, reason=reason, at=now)
    state.decided[call.id] = decision
    apply_decision(call, decision)


def _absorb_answer(state: LoopState, outcome: ModelAnswered, now: float) -> None:
    state.usage.add(outcome.usage)  # paid for, whatever it is worth
    answer = read_answer(state, outcome.items, outcome.disabled)
    if isinstance(answer, Failure):
        state.failure = answer
        return
    state.turn += 1
    state.deferred = 0
    record = ResponseRecord(
        turn=state.turn,
        agent=state.agent,
        first=len(state.transcript.entries),
        count=len(answer.items),
        usage=outcome.usage,
        response_id=outcome.response_id,
        request_id=outcome.request_id,
    )
    state.responses.append(record)
    for item in answer.items:
        state.transcript.append(encode(item), "answer", state.agent, state.turn)
    _open_calls(state, answer, now)
    state.finished, state.final_output = answer.is_final, answer.final_output


def _open_calls(state: LoopState, answer: Answer, now: float) -> None:
    for position, item in enumerate(answer.calls):
        call_id = f"{state.turn}.{position}"
        digest = call_digest(item)
        state.call_ids.setdefault(item["call_id"], []).append(call_id)
        state.call_digests[call_id] = digest
        tool = state.definition.tools_by_name[item["name"]]
        call = Call(id=call_id, item=item, tool=tool, digest=digest, phase="ready", since=now)
        state.calls.append(call)
        phase: CallPhase = (
            "unjudged" if tool.needs_approval == "rule" else "waiting" if tool.needs_approval else "ready"
        )
        _settle(state, call, phase)
    if answer.calls or answer.used_provider_tools:
        state.agents_with_tool_use.add(state.agent)


def _settle(state: LoopState, call: Call, phase: CallPhase) -> None:
    """Gives the call its phase, unless a standing decision about its tool already answers the question."""
    standing = state.always.get(call.tool.name)
    if standing is None:
        call.phase = phase
    else:
        state.decided[call.id] = standing
        apply_decision(call, standing)


def _duration(seconds: float) -> str:
    for name, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:g} {name}"
    return f"{seconds:g} seconds"
