"""Models that are stopped in the middle of an answer: what they had said by then stays, as no answer, and no turn."""

from __future__ import annotations

from typing import Any

from perdure.canonical import encode
from perdure.loop.saving import save_added
from perdure.loop.state import Frame, LoopState
from perdure.loop.steps import CallModel, ModelAnswered, Outcome
from perdure.loop.turn import merge_changes
from perdure.loop.urgency import model_calls


def stop_models(state: LoopState) -> None:
    """Has all models of the run stop that are asked now.

    A request within a conversation that the provider keeps is let go on: nobody could tell what the provider has of it.
    """
    for step_id in model_calls(state):
        frame = state.frame(state.in_flight[step_id])
        if frame is not None and not _is_kept(frame) and step_id not in state.steering.stopped:
            state.steering.stopped.append(step_id)


def drop_held(frame: Frame) -> None:
    """Takes an answer that waits for guardrails as one that was stopped."""
    if frame.held is not None and not _is_kept(frame):
        answer, frame.held = frame.held, None
        _keep(frame, answer.items)


def take_stopped(state: LoopState, step_id: str) -> bool:
    """Whether a step that has ended, or is given up, was told to stop; it is so no more."""
    if step_id not in state.steering.stopped:
        return False
    state.steering.stopped.remove(step_id)
    return True


def absorb_stopped(state: LoopState, frame: Frame, step: CallModel, outcome: Outcome) -> None:
    """Records how a model call ended that was told to stop, be it with a whole answer: its calls are not made."""
    if not isinstance(outcome, ModelAnswered):
        _keep(frame, [])
        return
    answer = outcome.answer
    state.pay(frame, answer.usage)  # of an answer that did not come whole the provider tells no tokens
    merge_changes(state, frame, [(step.id, answer.context_changes)])
    _keep(frame, answer.items)


def _keep(frame: Frame, items: list[dict[str, Any]]) -> None:
    """Keeps what was said in words; a half call is none, and thoughts without what they led to are refused."""
    said = [encode(_without_id(item)) for item in items if item.get("type") == "message"]
    for item in said:
        frame.append(item, "interrupted")
    save_added(frame, said)
    frame.settled_items = frame.record.count
    frame.cuts += 1
    frame.stage = "screening" if frame.session is None else "saving"


def _without_id(item: dict[str, Any]) -> dict[str, Any]:
    """The item as requests may have it: the provider knows none of that id, or only with the thoughts before it."""
    return {name: value for name, value in item.items() if name != "id"}


def _is_kept(frame: Frame) -> bool:
    return frame.kept is not None and frame.kept.conversation_id is not None
