"""Moves each frame through stages in which nothing is left to do, until something has to happen or be decided."""

from __future__ import annotations

from perdure.guardrail import NOT_WHERE_PROVIDER_KEEPS
from perdure.loop.calls import advance_call, answer_call, end_agent, explain, fail_agent, is_heard
from perdure.loop.frames import after_saving, conclude, fail_frame
from perdure.loop.handoffs import after_announcing
from perdure.loop.passing_over import pass_over
from perdure.loop.records import Failure
from perdure.loop.saving import save_paused
from perdure.loop.sending import admit, open_admission
from perdure.loop.state import Frame, LoopState
from perdure.loop.threads import turn_over
from perdure.loop.turn import accept_answer, close_turn
from perdure.loop.urgency import is_heard_first


def settle(state: LoopState, now: float) -> None:
    """Brings the run to where it needs something from outside, and a thread from one message to the next."""
    _settle(state, now)
    while state.thread is not None and turn_over(state, state.thread):
        _settle(state, now)


def _settle(state: LoopState, now: float) -> None:
    """Inner frames first, as they answer outer calls."""
    moved = state.snapshot is not None
    while moved and state.failure is None:
        moved = False
        for frame in reversed(state.frames()):
            while frame.failure is None and _advance(state, frame, now):
                moved = True
    save_paused(state)


def _advance(state: LoopState, frame: Frame, now: float) -> bool:
    """Moves a frame on by one stage, or its calls by one phase; tells whether anything moved."""
    before = frame.stage
    match frame.stage:
        case "screening" | "admitting":
            _screen(state, frame)
        case "starting" | "asking":
            _before_request(state, frame)
        case "holding" if frame.held is not None and all(guard.passed for guard in frame.guards):
            answer, frame.held = frame.held, None
            accept_answer(state, frame, answer, now)
        case "calling":
            return _advance_calls(state, frame)
        case "announcing" if not is_heard(state, frame, "on_handoff"):
            after_announcing(state, frame)
        case "ending" if not is_heard(state, frame, "on_agent_end"):
            frame.stage = "reviewing"
        case "reviewing" | "saving":
            _close(frame)
        case _:
            pass
    return frame.stage != before or frame.failure is not None


def _before_request(state: LoopState, frame: Frame) -> None:
    """Lets the model be asked whose agent's start nobody hears of (any more), unless it is to hear something first."""
    if frame.stage == "starting" and (frame.greeted or not is_heard(state, frame, "on_agent_start")):
        frame.stage = "asking"
    if frame.stage == "asking" and is_heard_first(state, frame):
        frame.stage = "screening"


def _close(frame: Frame) -> None:
    """Lets a frame end whose output guardrails have passed, and one go on whose session has been told all."""
    if frame.stage == "saving":
        after_saving(frame)
    elif all(guard.passed for guard in frame.reviews):
        conclude(frame)


def _screen(state: LoopState, frame: Frame) -> None:
    """Lets a turn begin, unless its agent cannot run as the run wants it, once the guardrails before it have passed.

    What was sent to the run meanwhile enters before that.
    """
    judged = state.definition(frame).output_guardrails or frame.rules.output_guardrails
    if frame.admission is not None:
        if all(guard.passed for guard in frame.admission.guards):
            admit(frame, frame.admission)
    elif frame.kept is not None and judged:
        fail_frame(frame, Failure("UserError", NOT_WHERE_PROVIDER_KEEPS))
    elif all(guard.passed or guard.parallel for guard in frame.guards):
        if frame.pending:
            open_admission(state, frame)
        else:
            frame.stage = "starting"


def _advance_calls(state: LoopState, frame: Frame) -> bool:
    moved = pass_over(state, frame)
    for call in frame.calls:
        child = call.child
        if child is not None and call.phase == "running" and (child.failure is not None or child.stage == "done"):
            moved = True
            if child.failure is not None:
                fail_agent(frame, call, child.failure)
            else:
                end_agent(state, call, child)
        if call.phase == "explaining" and not frame.rules.formats_errors:
            answer_call(call, explain(call))
        moved = advance_call(state, frame, call) or moved
    failed = next((call.failure for call in frame.calls if call.failure is not None and call.phase != "failing"), None)
    if failed is not None:  # of several that failed at once the earliest call counts
        fail_frame(frame, failed)
    elif all(call.phase == "done" for call in frame.calls):
        close_turn(state, frame)
        return True
    return moved
