"""What a thread tells of its messages."""

from __future__ import annotations

from typing import Any, Literal

from perdure.contracts.frozen import REQUESTS_TOLD, page_entry, requests_of
from perdure.contracts.run import PageRequest, RunOutcome, RunSettings
from perdure.contracts.threads import FailureView, MessageOutcome, ThreadView
from perdure.contracts.tokens import Tokens
from perdure.limits import MAX_TAIL_BYTES
from perdure.loop.conversing import Ended, Thread
from perdure.loop.records import Transcript
from perdure.loop.state import LoopState

from .pages import final_view, guardrail_view, page_of

Phase = Literal["queued", "under way", "waiting", "ended"]


def phase_of_message(state: LoopState, thread: Thread, sequence: int) -> Phase:
    """How far a message is.

    Raises:
        ValueError: It ended so long ago that nothing of it is known but what was said.
    """
    if thread.current is not None and thread.current.sequence == sequence:
        waits = (state.waiting_calls() or state.unknown_calls()) and not state.in_flight
        return "waiting" if waits else "under way"
    if any(message.sequence == sequence for message in thread.queue):
        return "queued"
    _ended(thread, sequence)
    return "ended"


def _ended(thread: Thread, sequence: int) -> Ended:
    found = next((ended for ended in reversed(thread.ended) if ended.sequence == sequence), None)
    if found is None:
        text = f"Message {sequence} of {thread.taken} has ended, and how is not kept any more"
        raise ValueError(f"{text}; `Thread.history` has what was said.")
    return found


def outcome_of_message(state: LoopState, thread: Thread, sequence: int) -> MessageOutcome:
    """How far a message is, or how it ended.

    Raises:
        ValueError: There is no telling.
    """
    phase = phase_of_message(state, thread, sequence)
    if phase == "ended":
        return _outcome(state, thread, _ended(thread, sequence))
    waiting = {message.sequence: message.message_id for message in thread.queue}
    current = thread.current
    if current is not None and current.sequence == sequence:
        return MessageOutcome(
            sequence=sequence, message_id=current.message_id, phase=phase, given=current.given,
            inputs=current.inputs, begun=state.root.begun, agent=current.agent,
        )  # fmt: skip
    ahead = sum(each < sequence for each in waiting) + (current is not None)
    return MessageOutcome(sequence=sequence, message_id=waiting[sequence], phase=phase, ahead=ahead)


def _outcome(state: LoopState, thread: Thread, ended: Ended) -> MessageOutcome:
    extras: dict[str, Any] = {}
    if ended.own is not None:
        extras = {"own": [page_entry(entry) for entry in ended.own], "whole": ended.whole}
    if (failure := ended.failure) is not None:
        extras["failure"] = FailureView(type=failure.type, message=failure.message, details=failure.details)
    return MessageOutcome(
        sequence=ended.sequence,
        message_id=ended.message_id,
        phase="ended",
        given=ended.given,
        inputs=ended.inputs,
        end=ended.end,
        begun=ended.begun,
        agent=ended.first,
        outcome=_run_outcome(state, thread, ended),
        **extras,
    )


def _run_outcome(state: LoopState, thread: Thread, ended: Ended) -> RunOutcome:
    """As of a run whose input is what was said before."""
    values: dict[str, Any] = {
        "guardrails": [guardrail_view(each) for each in ended.guardrails],
        "settings": RunSettings.model_validate(ended.settings).chosen,
        "stopped": ended.stopped,
        "omits_reasoning_ids": ended.omits,
    }
    if ended.final is not None:
        values |= final_view(ended.final)
    if ended.failure is not None:
        before = 0 if ended.whole else ended.given + ended.inputs
        values |= {"settled_items": before + ended.settled, "settled_turns": ended.settled_turns}
    if state.context is not None:
        values["context"] = state.context
    first = _tail_start(thread.history, ended)
    wanted = PageRequest(start=first, upto=ended.end, history=True)
    return RunOutcome(
        agent=ended.agent,
        turns=ended.turns,
        max_turns=ended.max_turns,
        usage=Tokens.of(ended.usage),
        requests=requests_of(ended.usage, REQUESTS_TOLD),
        tail=page_of(state, wanted, MAX_TAIL_BYTES),
        **{name: value for name, value in values.items() if value or name == "context"},
    )


def _tail_start(history: Transcript, ended: Ended) -> int:
    """The place of the first of the message's own items that can be told at once."""
    first, size = ended.end, 0
    while first > max(ended.given, history.first):
        size += len(history.entries[first - 1 - history.first].data)
        if size > MAX_TAIL_BYTES:
            break
        first -= 1
    return first


def thread_view(state: LoopState, thread: Thread) -> ThreadView:
    """What a thread tells of itself."""
    current = thread.current
    values: dict[str, Any] = {
        "queued": len(thread.queue),
        "sequence": current.sequence if current is not None else 0,
        "begun": state.root.begun if current is not None else 0,
        "closing": thread.closing,
    }
    return ThreadView(
        taken=thread.taken, usage=Tokens.of(state.paid), **{name: each for name, each in values.items() if each}
    )


def words_of(thread: Thread) -> str:
    """What a thread waits for, in a sentence."""
    if thread.closing:
        return "The thread was closed and ends now."
    said = f"; it has taken {thread.taken} so far" if thread.taken else ""
    return f"Waits for its next message{said}. Nothing is stuck: a thread goes on when it is spoken to."
