"""Calls that a message does not wait for: they are not made, and the model is told why."""

from __future__ import annotations

from collections.abc import Iterator

from perdure.loop.calls import answer_call
from perdure.loop.saving import rests
from perdure.loop.state import Call, Frame, LoopState
from perdure.loop.steps import first_id
from perdure.loop.turn import merge_changes
from perdure.loop.urgency import NOT_RUN, urgency

NOT_ENDED = "Not brought to its end: the user has said something in the meantime."

_NOT_BEGUN = ("screening", "judging", "waiting", "checking", "ready", "greeting", "preparing")


def pass_over(state: LoopState, frame: Frame) -> bool:
    """Answers the calls of a frame that what waits does not wait for; tells whether there was one.

    Nothing that runs is broken off, and of a call that may have had its effect a person is asked all the same. What
    is to be heard `"after_tool"` waits for no decision; what is to be heard `"now"` for nothing that has not begun.
    """
    when = urgency(frame)
    if when == "next_turn":
        return False
    found = [call for call in frame.calls if _is_passed_over(state, call, is_now=when == "now")]
    for call in found:
        if call.child is not None:
            _leave(state, call, call.child)
        else:
            answer_call(call, NOT_RUN)
    return bool(found)


def _is_passed_over(state: LoopState, call: Call, *, is_now: bool) -> bool:
    if call.phase == "running" and call.child is not None:
        return _may_leave(state, call.child, is_now=is_now)
    waits = call.phase in _NOT_BEGUN if is_now else call.phase == "waiting"
    return waits and call.failure is None and not _is_busy(state, call)


def _is_busy(state: LoopState, call: Call) -> bool:
    """Whether a step about the call is in flight."""
    steps = {first_id(step_id) for step_id in state.in_flight}
    about = tuple(f"{kind}.{call.id}." for kind in ("guardrail", "call", "hook"))
    return f"tool.{call.id}" in steps or any(step.startswith(about) for step in steps)


def _may_leave(state: LoopState, child: Frame, *, is_now: bool) -> bool:
    """Whether an agent that runs as a tool can be left where it is: nothing of it is in flight or in doubt."""
    if any(path == child.path or path.startswith(f"{child.path}/") for path in state.in_flight.values()):
        return False
    if any(call.phase in ("unknown", "resolving") for frame in _tree(child) for call in frame.calls):
        return False
    return is_now or rests(child)


def _leave(state: LoopState, call: Call, child: Frame) -> None:
    """Answers the call of an agent that is left; what its calls have changed in the context stays."""
    for frame in reversed(list(_tree(child))):
        merge_changes(state, frame, [(each.id, each.context_changes) for each in frame.calls])
    call.child = None
    answer_call(call, NOT_ENDED)


def _tree(frame: Frame) -> Iterator[Frame]:
    yield frame
    for call in frame.calls:
        if call.child is not None:
            yield from _tree(call.child)
