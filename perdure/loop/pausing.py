"""A run that somebody pauses or interrupts: what is under way ends and is recorded, and nothing else begins."""

from __future__ import annotations

from perdure.loop.holds import Hold
from perdure.loop.interrupting import stop_models
from perdure.loop.sending import NO_MESSAGE, NO_MORE_REQUESTS, Taken
from perdure.loop.state import LoopState


def judge_pause(state: LoopState) -> Taken:
    """What `pause` would do; changes nothing."""
    if state.failure is not None or state.root.stage == "done":
        return Taken("too late", "The run has ended.")
    if state.steering.paused is not None:
        return Taken("repeated", f"The run was paused already{_by(state.steering.paused)}.")
    return Taken("accepted", f"The run is paused{_until(state, 'is resumed')}")


def pause(state: LoopState, hold: Hold) -> Taken:
    """Lets nothing begin until the run is resumed. Follow it by `settle`."""
    taken = judge_pause(state)
    if taken.verdict == "accepted":
        state.steering.paused = hold
    return taken


def judge_interrupt(state: LoopState) -> Taken:
    """What `interrupt` would do; changes nothing."""
    if state.root.stage == "listening":
        return Taken("too late", NO_MESSAGE)
    if state.failure is not None or state.root.stage in NO_MORE_REQUESTS:
        return Taken("too late", "The run asks its model no more: it has its final output, or its error.")
    if state.steering.interrupted is not None:
        text = f"The run was interrupted already{_by(state.steering.interrupted)}, and waits for instructions."
        return Taken("repeated", text)
    return Taken("accepted", f"The run is interrupted{_until(state, 'is told what to do')}")


def interrupt(state: LoopState, hold: Hold) -> Taken:
    """Stops the models that are asked, and lets nothing begin until the run is told what to do. Then `settle`."""
    taken = judge_interrupt(state)
    if taken.verdict == "accepted":
        state.steering.interrupted = hold
        stop_models(state)
    return taken


def judge_resume(state: LoopState) -> Taken:
    """What `resume` would do; changes nothing."""
    if state.failure is not None or state.root.stage == "done":
        return Taken("too late", "The run has ended.")
    if not state.steering.is_held:
        return Taken("repeated", "The run is neither paused nor interrupted: it goes on.")
    return Taken("accepted", "The run goes on.")


def resume(state: LoopState) -> Taken:
    """Lets a run that was paused or interrupted go on where it is. Follow it by `settle`."""
    taken = judge_resume(state)
    if taken.verdict == "accepted":
        state.steering.paused = state.steering.interrupted = None
    return taken


def _by(hold: Hold) -> str:
    return f" by {hold.by}" if hold.by else ""


def _until(state: LoopState, what: str) -> str:
    flying = ", ".join(sorted(state.in_flight))
    ends = f": what is under way ends ({flying:.200})," if flying else ","
    return f"{ends} and nothing begins until it {what}."
