"""Steps that were not done, for want of a worker that can or outlives them, and when they are offered again."""

from __future__ import annotations

from dataclasses import replace

from perdure.loop.holds import Hold
from perdure.loop.pausing import pause
from perdure.loop.records import Declined
from perdure.loop.state import LoopState
from perdure.loop.steps import OFFERED_AGAIN, Step, StepDeclined
from perdure.loop.turn import warn

_FIRST_DELAY_SECONDS = 2.0
_LONGEST_DELAY_SECONDS = 60.0
_DOUBLINGS = 10  # enough to reach the longest delay; a step may be declined for days, and 2.0 * 2**1024 is no float


def decline(state: LoopState, step_id: str, outcome: StepDeclined, who: str, call_id: str = "") -> None:
    """Lets a step be offered again; one that cost many workers only when somebody has looked into it."""
    earlier = state.deferred.get(step_id)
    state.deferred[step_id] = Declined(1 if earlier is None else earlier.times + 1, outcome.reason, call_id)
    warn(state, f"{who} waits for a worker: {outcome.reason}")
    if outcome.lost_at is not None:
        pause(state, Hold(reason=outcome.reason, at=outcome.lost_at))


def offered(step: Step, declined: Declined | None) -> Step:
    """The step under the id that it has now; one that was declined comes again under another, and later."""
    if declined is None:
        return step
    return replace(step, id=f"{step.id}{OFFERED_AGAIN}{declined.times}", delay_seconds=delay_seconds(declined))


def delay_seconds(declined: Declined) -> float:
    """How long a step that was declined waits before it is offered again."""
    return min(_FIRST_DELAY_SECONDS * 2 ** min(declined.times - 1, _DOUBLINGS), _LONGEST_DELAY_SECONDS)
