"""How soon what was said to a run is to be heard: what it waits for, and what it passes over."""

from __future__ import annotations

from typing import Literal

from perdure.loop.state import Frame, LoopState

NOT_RUN = "Not run: the user has said something in the meantime."

_MODEL = "model."  # what the ids of model calls begin with


def urgency(frame: Frame) -> Literal["now", "after_tool", "next_turn"]:
    """What the most urgent of the messages that wait is ready to wait for."""
    found = {sent.when for sent in frame.pending}
    return "now" if "now" in found else "after_tool" if "after_tool" in found else "next_turn"


def is_asked(state: LoopState, frame: Frame) -> bool:
    """Whether a frame's model is asked this moment."""
    return bool(model_calls(state, frame.path))


def model_calls(state: LoopState, path: str | None = None) -> list[str]:
    """The model calls in flight, by their steps' ids; of one frame, or of all."""
    return [each for each, of in state.in_flight.items() if each.startswith(_MODEL) and path in (None, of)]


def is_heard_first(state: LoopState, frame: Frame) -> bool:
    """Whether a frame that is about to ask its model, and has not, is to hear what waits before it does."""
    if frame is not state.root or not frame.pending or is_asked(state, frame):
        return False
    return state.steering.is_held or urgency(frame) != "next_turn"
