"""Decides: what may start now, what is waited for, whether the run is over.

Rule 1. A run that has failed or finished does nothing more.
Rule 2. Without a snapshot of the agents nothing else starts.
Rule 3. While the open turn has calls, each goes its own way: judged, waited for, or run; the model waits for all.
Rule 4. Otherwise the model is asked, unless the turns are used up.
Rule 5. What is in flight is not named again, so planning twice starts nothing twice.
"""

from __future__ import annotations

from perdure.limits import MAX_PARALLEL_CALLS
from perdure.loop.state import Call, Failure, LoopState
from perdure.loop.steps import Action, CallModel, CallTool, Fail, Finish, JudgeCall, SnapshotAgents, Start, Step, Wait

_FIRST_DELAY_SECONDS = 2.0  # before a step that a worker declined is offered again
_LONGEST_DELAY_SECONDS = 60.0
_DOUBLINGS = 10  # enough to reach the longest delay; a step may be declined for days, and 2.0 * 2**1024 is no float


def plan(state: LoopState) -> list[Action]:
    """What the run asks for now."""
    if state.failure is not None:
        return [Fail(state.failure)]
    if state.finished:
        return [Finish()]
    if state.snapshot is None:
        return _start(state, SnapshotAgents("snapshot", state.agent_name))
    if state.calls:
        return _plan_calls(state)
    turn = state.turn + 1
    if state.max_turns is not None and turn > state.max_turns:
        return [Fail(Failure("MaxTurnsExceeded", f"Max turns ({state.max_turns}) exceeded"))]
    return _start(state, CallModel(_step_id("model", str(turn), state.deferred), turn, _delay(state.deferred)))


def _start(state: LoopState, step: Step) -> list[Action]:
    return [] if step.id in state.in_flight else [Start(step)]


def _plan_calls(state: LoopState) -> list[Action]:
    actions: list[Action] = []
    room = MAX_PARALLEL_CALLS - len(state.in_flight)
    for call in state.calls:
        for action in _plan_call(state, call):
            if isinstance(action, Start):
                if room <= 0:
                    continue
                room -= 1
            actions.append(action)
    return actions


def _plan_call(state: LoopState, call: Call) -> list[Action]:
    match call.phase:
        case "unjudged":
            return _start(state, JudgeCall(_step_id("judge", call.id, call.deferred), call.id, _delay(call.deferred)))
        case "waiting":
            return [Wait(f"approval.{call.id}", call.id, state.approval_timeout_seconds)]
        case "ready":
            return _start(state, CallTool(_step_id("tool", call.id, call.deferred), call.id, _delay(call.deferred)))
        case "done":
            return []


def _step_id(kind: str, name: str, deferred: int) -> str:
    """A step's id; one that a worker declined comes again under another."""
    return f"{kind}.{name}~{deferred}" if deferred else f"{kind}.{name}"


def _delay(deferred: int) -> float:
    if not deferred:
        return 0.0
    return min(_FIRST_DELAY_SECONDS * 2 ** min(deferred - 1, _DOUBLINGS), _LONGEST_DELAY_SECONDS)
