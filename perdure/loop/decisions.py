"""Decisions about calls that wait: the first one that is committed holds, everything else changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from perdure.loop.calls import apply_decision
from perdure.loop.records import Decision
from perdure.loop.state import Call, Frame, LoopState

Verdict = Literal["accepted", "repeated", "too late", "unknown call", "ambiguous call", "other digest"]


@dataclass(slots=True, frozen=True)
class Ruling:
    """What became of a decision that came in.

    Attributes:
        verdict: `"accepted"` if it was the first; `"repeated"` if the same decision already held.
        call_id: The call it is about, ours, if it could be told.
        explanation: One sentence for the sender.
    """

    verdict: Verdict
    call_id: str
    explanation: str


def judge_decision(state: LoopState, name: str, decision: Decision, digest: str | None) -> Ruling:
    """What `decide` would do with the decision; changes nothing.

    Args:
        state: The run.
        name: Our call id, or the model's as long as one call of the run bore it.
        decision: What is decided.
        digest: If given, it must name the call's tool and arguments.
    """
    call_id, refused = named_call(state, name)
    if refused is not None:
        return refused
    earlier = state.decided.get(call_id)
    if earlier is not None:
        return _after(call_id, earlier, decision)
    call = state.call(call_id)
    if call is None or call.phase != "waiting":
        return Ruling("too late", call_id, f"Call {call_id} does not wait for a decision (any more).")
    if digest is not None and digest != call.digest:
        return other_digest(call, digest)
    return Ruling("accepted", call_id, f"Call {call_id} is {'approved' if decision.approve else 'rejected'}.")


def decide(state: LoopState, name: str, decision: Decision, digest: str | None) -> Ruling:
    """Commits the decision if it is the first about a waiting call. Follow it by `settle`."""
    ruling = judge_decision(state, name, decision, digest)
    if ruling.verdict == "accepted":
        _commit(state, ruling.call_id, decision)
    return ruling


def _commit(state: LoopState, call_id: str, decision: Decision) -> None:
    for frame in state.frames():
        call = frame.call(call_id)
        if call is None:
            continue
        for covered in _covered(frame, call, decision):
            state.decided[covered.id] = decision
            apply_decision(frame, covered, decision)
        return


def _covered(frame: Frame, call: Call, decision: Decision) -> list[Call]:
    """The calls that a decision is about: one, or all waiting ones of its tool in its frame if it is to stand."""
    if not decision.always:
        return [call]
    frame.always.setdefault(frame.agent, {})[call.name] = decision
    return [other for other in frame.calls if other.phase == "waiting" and other.name == call.name]


def named_call(state: LoopState, name: str) -> tuple[str, Ruling | None]:
    """Our id of the call that a message names by our id or the model's, or why there is no telling."""
    if name in state.call_digests:
        return name, None
    bearers = state.call_ids.get(name, [])
    if len(bearers) > 1:
        text = f"{len(bearers)} calls of this run bear the id {name:.80}: name {' or '.join(bearers[:5])}."
        return "", Ruling("ambiguous call", name, text)
    if not bearers:
        waiting = ", ".join(call.id for call in state.waiting_calls()) or "none"
        return "", Ruling("unknown call", name, f"No call {name:.80} is known; waiting now: {waiting}.")
    return bearers[0], None


def other_digest(call: Call, digest: str) -> Ruling:
    """The ruling about a message that was written for other arguments."""
    return Ruling("other digest", call.id, f"Call {call.id} has digest {call.digest}, not {digest:.80}: look again.")


def _after(call_id: str, earlier: Decision, decision: Decision) -> Ruling:
    held = "approved" if earlier.approve else "rejected"
    by = f" by {earlier.by}" if earlier.by else ""
    if earlier.approve == decision.approve:
        return Ruling("repeated", call_id, f"Call {call_id} was already {held}{by}.")
    return Ruling("too late", call_id, f"Call {call_id} was already {held}{by}; the first decision holds.")
