"""Calls of which nobody knows whether they took effect: a person says, and the first word about each time holds.

The call is never tried again before that. It happened: its result answers the call. It did not: the model is told so.
Try again: it runs anew, and may become unknown anew.
"""

from __future__ import annotations

from typing import Any

from perdure.loop.calls import answer_call
from perdure.loop.decisions import Ruling, named_call, other_digest
from perdure.loop.records import Resolution
from perdure.loop.state import Call, LoopState

_UNKNOWN = (
    "The outcome of this call is unknown: it may or may not have taken effect. It was not repeated. Find out what "
    "happened before you try again."
)
_WORDS = {"happened": "took effect", "not_happened": "did not take effect", "retry": "is tried again"}


def become_unknown(state: LoopState, call: Call, why: str) -> None:
    """Lets a call wait for somebody who knows; one that may be repeated was lost too often and is answered."""
    if call.id not in state.unknown_outcomes:
        state.unknown_outcomes.append(call.id)
    note_effect(state, call)
    if call.tool is not None and call.tool.effect == "once":
        call.phase, call.unknown = "unknown", why or "Its worker was lost while it ran."
    else:
        answer_call(call, _UNKNOWN)


def note_effect(state: LoopState, call: Call) -> None:
    """Notes a call that has run and must not be repeated: whoever goes back before it is to know."""
    if call.tool is not None and call.tool.effect == "once":
        state.effects[call.id] = call.tool.key is not None


def judge_resolution(state: LoopState, name: str, resolution: Resolution, digest: str | None) -> Ruling:
    """What `resolve` would do; changes nothing.

    Args:
        state: The run.
        name: Our call id, or the model's as long as one call of the run bore it.
        resolution: What somebody says.
        digest: If given, it must name the call's tool and arguments.
    """
    call_id, refused = named_call(state, name)
    if refused is not None:
        return refused
    call, earlier = state.call(call_id), state.resolved.get(call_id)
    if call is None or call.phase != "unknown":
        if earlier is not None and (earlier.outcome, earlier.result) == (resolution.outcome, resolution.result):
            return Ruling("repeated", call_id, f"That call {call_id} {_WORDS[earlier.outcome]} was said already.")
        waiting = ", ".join(each.id for each in state.unknown_calls()) or "none"
        return Ruling("too late", call_id, f"The outcome of call {call_id} is not asked for; asked for: {waiting}.")
    if digest is not None and digest != call.digest:
        return other_digest(call, digest)
    return Ruling("accepted", call_id, f"Call {call_id} {_WORDS[resolution.outcome]}.")


def resolve(state: LoopState, name: str, resolution: Resolution, digest: str | None) -> Ruling:
    """Commits what somebody says if the outcome is asked for. Follow it by `settle`."""
    ruling = judge_resolution(state, name, resolution, digest)
    call = state.call(ruling.call_id)
    if ruling.verdict == "accepted" and call is not None:
        state.resolved[call.id] = call.resolution = resolution
        call.phase = "resolving"
    return ruling


def absorb_resolution(state: LoopState, call: Call, item: dict[str, Any], *, is_value: bool, is_object: bool) -> None:
    """The ledger knows: the call has its answer, or runs anew."""
    said = call.resolution
    if said is None:
        raise RuntimeError(f"call {call.id} is resolved by nobody")
    state.unknown_outcomes = [each for each in state.unknown_outcomes if each != call.id]
    call.unknown, call.resolution = "", None
    if said.outcome == "retry":
        call.phase = "ready"
        return
    call.output, call.output_is_value, call.output_is_object = item, is_value, is_object
    call.is_result = said.outcome == "happened"
    call.phase, call.checked = ("reviewing" if call.is_result else "done"), 0


def stop_asking(call: Call) -> None:
    """Nobody has said in time: the model is told that it is unknown."""
    answer_call(call, _UNKNOWN)
