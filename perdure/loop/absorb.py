"""Records: what a step's outcome changes in the state of the run.

The order of absorption is the order of the history, so a replay absorbs the same. What came in one workflow task is
recorded as a whole before anything follows from it: of several calls that fail at once the earliest one counts.
"""

from __future__ import annotations

from perdure.loop.calls import (
    answer_call,
    apply_decision,
    explain,
    fail_agent,
    prepare_agent,
    run_agent,
    settle_judgement,
    take_agent_output,
)
from perdure.loop.declining import decline
from perdure.loop.frames import begin, fail_frame
from perdure.loop.handoffs import after_announcing, edit_history, hand_off, take_over
from perdure.loop.interrupting import absorb_stopped, take_stopped
from perdure.loop.records import Decision, Failure, Guard, GuardrailRecord
from perdure.loop.recovery import recover
from perdure.loop.resolutions import absorb_resolution, become_unknown, note_effect, stop_asking
from perdure.loop.saving import take_history, written
from perdure.loop.state import Call, Frame, LoopState
from perdure.loop.steps import (
    AgentsSnapshotted,
    CallModel,
    CallTool,
    CallUser,
    CheckGuardrail,
    GuardrailChecked,
    HooksRan,
    ModelAnswered,
    Outcome,
    OutcomeUnknown,
    ResolveEffect,
    RunHook,
    SessionRead,
    SessionWritten,
    SnapshotAgents,
    Step,
    StepDeclined,
    StepFailed,
    ToolReturned,
    UserSaid,
    UseSession,
    Wait,
    first_id,
)
from perdure.loop.threads import seat
from perdure.loop.tripwires import tripped
from perdure.loop.turn import finish, merge_changes, next_turn
from perdure.loop.urgency import urgency


def started(state: LoopState, step: Step) -> None:
    """Records that the driver started a step."""
    state.in_flight[step.id] = step.path
    take_stopped(state, step.id)
    frame = state.frame(step.path)
    if isinstance(step, CallModel) and frame is not None:
        frame.requested.sent = frame.requested.count


def absorb(state: LoopState, step: Step, outcome: Outcome) -> None:
    """Records the outcome of a step; of one that is not in flight (any more) it changes nothing.

    Follow it by `settle`.
    """
    was_stopped = take_stopped(state, step.id)
    if state.in_flight.pop(step.id, None) != step.path:
        return
    if isinstance(step, SnapshotAgents):
        _absorb_snapshot(state, first_id(step.id), outcome)
        return
    frame = state.frame(step.path)
    if frame is None or frame.failure is not None:
        return
    if was_stopped and isinstance(step, CallModel):
        absorb_stopped(state, frame, step, outcome)
        return
    base = first_id(step.id)
    if isinstance(outcome, StepDeclined):
        call_id = "" if isinstance(step, CallModel) else step.call_id
        decline(state, base, outcome, _who(frame, step), call_id)
        return
    state.deferred.pop(base, None)
    _absorb(state, frame, step, outcome)


def _absorb(state: LoopState, frame: Frame, step: Step, outcome: Outcome) -> None:
    call_id = "" if isinstance(step, CallModel | SnapshotAgents) else step.call_id
    call = frame.call(call_id)
    if call_id and call is None:
        raise RuntimeError(f"step {step.id} is about a call that is not open")
    if isinstance(outcome, StepFailed):
        _absorb_failure(frame, call, outcome.failure)
    elif call is not None:
        _absorb_for_call(state, frame, call, step, outcome)
    else:
        _absorb_for_frame(state, frame, step, outcome)


def give_up(state: LoopState, step_id: str) -> None:
    """Forgets a step in flight that is not to end: what asked for it may ask again."""
    state.in_flight.pop(step_id, None)
    take_stopped(state, step_id)


def absorb_timeout(state: LoopState, wait: Wait, now: float) -> None:
    """Rejects a call that nobody decided about in time, gives one up whose outcome nobody told. Then `settle`."""
    for frame in state.frames():
        call = frame.call(wait.call_id)
        if call is not None and call.phase == "unknown":
            stop_asking(call)
        elif call is not None and call.phase == "waiting":
            reason = f"Nobody decided about this call within {_duration(state.approval_timeout_seconds)}."
            decision = Decision(approve=False, reason=reason, at=now)
            state.decided[call.id] = decision
            apply_decision(frame, call, decision)


def _absorb_snapshot(state: LoopState, base: str, outcome: Outcome) -> None:
    match outcome:
        case AgentsSnapshotted(snapshot):
            state.snapshot = snapshot
            seat(state)
            begin(state, state.root)
        case StepDeclined():
            decline(state, base, outcome, "The start")
        case StepFailed(failure):
            fail_frame(state.root, failure)
        case _:
            raise _misfit("snapshot", outcome)


def _absorb_failure(frame: Frame, call: Call | None, failure: Failure) -> None:
    if call is not None:
        call.failure = failure
        call.phase = "done" if call.phase == "failing" else call.phase
    else:
        fail_frame(frame, failure)


def _absorb_for_call(state: LoopState, frame: Frame, call: Call, step: Step, outcome: Outcome) -> None:
    match step, outcome:
        case CallTool(), ToolReturned(item, is_value, changes, is_object):
            call.output, call.output_is_value, call.output_is_object = item, is_value, is_object
            call.phase, call.checked, call.is_result = "reviewing", 0, True
            call.context_changes |= changes
            note_effect(state, call)
        case CallTool(), OutcomeUnknown(why):
            become_unknown(state, call, why)
        case ResolveEffect(), ToolReturned(item, is_value, _, is_object):
            absorb_resolution(state, call, item, is_value=is_value, is_object=is_object)
        case CheckGuardrail(), GuardrailChecked(said, changes):
            call.context_changes |= changes
            _absorb_tool_guardrail(frame, call, said)
        case RunHook(event="on_tool_start"), HooksRan(changes):
            call.context_changes |= changes
            prepare_agent(state, frame, call)
        case RunHook(), HooksRan(changes):
            call.context_changes |= changes
            call.phase = "done"
        case CallUser(), UserSaid():
            call.context_changes |= outcome.context_changes
            _absorb_call_function(state, frame, call, step, outcome)
        case _:
            raise _misfit(step.id, outcome)


def _absorb_tool_guardrail(frame: Frame, call: Call, said: GuardrailRecord) -> None:
    frame.guardrails.append(said)
    if said.behavior == "raise":
        call.failure = tripped(said)
    elif said.behavior == "allow":
        call.checked += 1
    elif said.kind == "tool_input":
        call.is_result = True
        answer_call(call, said.message)
    else:  # the end hooks are told of the replacement; no further guardrail is asked about it
        answer_call(call, said.message, "reviewing")
        call.checked = len(call.tool.output_guardrails) if call.tool is not None else 0


def _absorb_call_function(state: LoopState, frame: Frame, call: Call, step: CallUser, said: UserSaid) -> None:
    match step.role:
        case "needs_approval":
            settle_judgement(call, needs_approval=said.needs_approval)
        case "tool_error_formatter":
            answer_call(call, explain(call) if said.text is None else said.text)
        case "failure_error_function" if said.text is not None:
            call.failure, call.is_result = None, True
            answer_call(call, said.text, "reviewing")
        case "failure_error_function":
            call.phase = "done"
        case "input_builder" if said.problem is not None:
            fail_agent(frame, call, said.problem)
        case "input_builder":
            items = said.input or []
            run_agent(state, frame, call, items, input_is_text=said.input_is_text, tool_input=said.tool_input)
        case "custom_output_extractor" if said.output is not None:
            take_agent_output(call, said.output)
        case _:
            raise _misfit(step.id, said)


def _absorb_for_frame(state: LoopState, frame: Frame, step: Step, outcome: Outcome) -> None:
    match step, outcome:
        case CallModel(), ModelAnswered(answer):
            state.pay(frame, answer.usage)
            merge_changes(state, frame, [(step.id, answer.context_changes)])
            frame.held, frame.stage = answer, "holding"
        case CheckGuardrail(), GuardrailChecked(said, changes):
            merge_changes(state, frame, [(step.id, changes)])
            _absorb_guardrail(frame, step, said)
        case RunHook(), HooksRan(changes):
            merge_changes(state, frame, [(step.id, changes)])
            _absorb_hook(state, frame)
        case CallUser(), UserSaid():
            merge_changes(state, frame, [(step.id, outcome.context_changes)])
            _absorb_function(state, frame, step, outcome)
        case UseSession(), SessionRead():
            take_history(state, frame, outcome)
        case UseSession(), SessionWritten(last):
            written(frame, last)
        case _:
            raise _misfit(step.id, outcome)


def _absorb_guardrail(frame: Frame, step: CheckGuardrail, said: GuardrailRecord) -> None:
    frame.guardrails.append(said)
    if said.behavior != "allow":
        fail_frame(frame, tripped(said))
    for guard in _guards_of(frame, step):
        if (guard.source, guard.index) == (step.source, step.index):
            guard.passed = True


def _guards_of(frame: Frame, step: CheckGuardrail) -> list[Guard]:
    if step.added:
        return frame.admission.guards if frame.admission is not None else []
    return frame.guards if step.kind == "input" else frame.reviews


def _absorb_hook(state: LoopState, frame: Frame) -> None:
    match frame.stage:
        case "starting":
            frame.greeted, frame.stage = True, "asking"
        case "announcing":
            after_announcing(state, frame)
        case "ending":
            frame.stage = "reviewing"
        case _:
            raise RuntimeError(f"hooks ran while the frame {frame.path!r} is {frame.stage}")


def _absorb_function(state: LoopState, frame: Frame, step: CallUser, said: UserSaid) -> None:
    match step.role:
        case "tool_use_behavior" if said.output is not None and urgency(frame) != "now":
            finish(state, frame, said.output)
        case "tool_use_behavior":
            next_turn(state, frame)
        case "on_handoff":
            if said.definitions and state.snapshot is not None:
                agents = {**state.snapshot.agents, **said.definitions}
                state.snapshot = state.snapshot.model_copy(update={"agents": agents})
            hand_off(state, frame, said.agent)
        case "handoff_input_filter" if said.edited is not None:
            edit_history(state, frame, said.edited)
            take_over(frame)
        case "error_handler":
            recover(state, frame, said)
        case _:
            raise _misfit(step.id, said)


def _who(frame: Frame, step: Step) -> str:
    call_id = "" if isinstance(step, CallModel | SnapshotAgents) else step.call_id
    return f"Call {call_id}" if call_id else f"Turn {frame.turn + 1}"


def _misfit(step_id: str, outcome: object) -> RuntimeError:
    return RuntimeError(f"outcome {type(outcome).__name__} does not belong to step {step_id}")


def _duration(seconds: float) -> str:
    for name, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:g} {name}"
    return f"{seconds:g} seconds"
