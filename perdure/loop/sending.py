"""Input that is sent to a run under way: it waits for the run's next model request, is judged, and enters once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

from perdure.canonical import encode
from perdure.limits import MAX_KNOWN_MESSAGES, MAX_WAITING_INPUT_BYTES
from perdure.loop.frames import guards
from perdure.loop.interrupting import drop_held, stop_models
from perdure.loop.records import Admission, SentInput, When
from perdure.loop.saving import save_added
from perdure.loop.state import Frame, LoopState

NO_MORE_REQUESTS = ("ending", "reviewing", "recovering", "done")

_ENTERS: dict[When, str] = {
    "next_turn": "It enters before the run's next model request.",
    "after_tool": "It enters once no tool runs; calls that wait for a decision are not made.",
    "now": "It enters at once: the model is stopped, and what has not begun is not made.",
}
NO_MESSAGE = "No message of the thread is under way. Send it the next one: the update `message`, or `Thread.send`."


@dataclass(slots=True, frozen=True)
class Taken:
    """What became of input that was sent: it waits, waited already, or is refused.

    Attributes:
        explanation: One sentence for the sender.
    """

    verdict: Literal["accepted", "repeated", "too late", "too much"]
    explanation: str


def judge_sent(state: LoopState, sent: SentInput) -> Taken:
    """What `take` would do with the input; changes nothing."""
    if sent.message_id in state.message_ids or any(each.message_id == sent.message_id for each in state.root.pending):
        return Taken("repeated", f"Message {sent.message_id} was taken already; it is said once.")
    if state.root.stage == "listening":
        return Taken("too late", NO_MESSAGE)
    if state.failure is not None or state.root.stage in NO_MORE_REQUESTS:
        return Taken("too late", "The run asks its model no more: it has its final output, or its error.")
    gone = next((name for name in sent.withdraw if name in state.message_ids and name not in _waiting(state)), None)
    if gone is not None:
        return Taken("too late", f"Message {gone} does not wait (any more), so it cannot be taken back.")
    size = sum(len(encode(asdict(each))) for each in (*_kept(state, sent), sent))
    if size > MAX_WAITING_INPUT_BYTES:
        text = f"With it {size} bytes of input would wait for the next model request; at most"
        return Taken("too much", f"{text} {MAX_WAITING_INPUT_BYTES} can. Send it after that, or less of it.")
    back = f" {', '.join(sent.withdraw)} taken back." if sent.withdraw else ""
    return Taken("accepted", f"Message {sent.message_id} is taken.{_enters(state, sent) if sent.items else ''}{back}")


def take(state: LoopState, sent: SentInput) -> Taken:
    """Lets the input wait for the run's next model request, if it is new. Follow it by `settle`."""
    taken = judge_sent(state, sent)
    if taken.verdict != "accepted":
        return taken
    if sent.items and state.steering.interrupted is not None:  # it has what it waited for
        sent, state.steering.interrupted = replace(sent, when="now"), None
    state.root.pending = [*_kept(state, sent), *([sent] if sent.items else [])]
    state.message_ids = [*state.message_ids, sent.message_id][-MAX_KNOWN_MESSAGES:]
    if sent.items and sent.when == "now":
        stop_models(state)
        drop_held(state.root)
    return taken


def _enters(state: LoopState, sent: SentInput) -> str:
    """When the run's model is told."""
    when = "now" if state.steering.interrupted is not None else sent.when
    held = " The run is paused, and goes on when it is resumed." if state.steering.paused is not None else ""
    return f" {_ENTERS[when]}{held}"


def _waiting(state: LoopState) -> list[str]:
    """What waits and is not judged yet, so that it can be taken back."""
    admission = state.root.admission
    return [each.message_id for each in state.root.pending[admission.count if admission is not None else 0 :]]


def _kept(state: LoopState, sent: SentInput) -> list[SentInput]:
    """What waits and is not taken back."""
    return [each for each in state.root.pending if each.message_id not in sent.withdraw]


def open_admission(state: LoopState, frame: Frame) -> None:
    """Has all guardrails on input judge what waits, before the model is asked; those beside the model, too."""
    judging = guards(state.definition(frame).input_guardrails, frame.rules.input_guardrails)
    frame.admission, frame.stage = Admission(len(frame.pending), judging), "admitting"


def admitted(frame: Frame, admission: Admission) -> list[SentInput]:
    """What is judged now; what came later waits for its own turn."""
    return frame.pending[: admission.count]


def admit(frame: Frame, admission: Admission) -> None:
    """Adds what was judged to the conversation, after the outputs of the turn that is over."""
    items = [encode(item) for sent in admitted(frame, admission) for item in sent.items]
    for item in items:
        frame.append(item, "added")
    save_added(frame, items)
    frame.pending, frame.admission = frame.pending[admission.count :], None
    frame.settled_items = frame.record.count
    frame.stage = "screening" if frame.session is None else "saving"


def unsaid(state: LoopState) -> str:
    """What a person should know of a run that has ended without telling its model all that it was sent."""
    ended = state.failure is not None or state.root.stage == "done"
    if not ended or not state.root.pending:
        return ""
    names = ", ".join(sent.message_id for sent in state.root.pending[:5])
    return f"The run ended before its model was told what was sent to it last ({len(state.root.pending)}: {names})."
