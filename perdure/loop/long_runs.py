"""What a run may leave behind when it goes on in a new history: items that are sealed, and what it may forget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from perdure.limits import MAX_KNOWN_CALLS, MAX_KNOWN_DECISIONS
from perdure.loop.conversing import Thread
from perdure.loop.records import Chunk, ResponseRecord, Transcript
from perdure.loop.state import Frame, LoopState
from perdure.loop.threads import forget_outcomes

_T = TypeVar("_T")


def is_between_messages(state: LoopState) -> bool:
    """Whether a thread has no message, or one whose agents are still to be told by a worker."""
    return state.thread is not None and (state.root.stage == "listening" or state.snapshot is None)


def sealable(state: LoopState, kept_bytes: int) -> Iterator[tuple[Frame, Transcript, int]]:
    """The transcripts of which a part should be sealed, with the place up to which.

    Only items of completed turns that the model has been sent may go; the newest of them stay, so many bytes.
    """
    for frame in state.frames():
        if not frame.turn:
            continue
        open_items = frame.record.count - frame.settled_items
        for transcript in {id(each): each for each in _transcripts(state, frame)}.values():
            upto = transcript.count - open_items
            if transcript is frame.requested:
                upto = min(upto, transcript.sent)
            if _is_base(state, frame, transcript):
                upto = transcript.given  # what follows is as the run's record had it before it was edited
            upto = _without_tail(transcript, upto, kept_bytes)
            if upto > transcript.first:
                yield frame, transcript, upto


def _transcripts(state: LoopState, frame: Frame) -> list[Transcript]:
    thread = state.thread if frame is state.root else None
    return [frame.record, frame.shown, frame.requested, *([thread.history] if thread is not None else [])]


def _is_base(state: LoopState, frame: Frame, transcript: Transcript) -> bool:
    """Whether it is a thread's history, of which a handoff's edit has made another record."""
    return state.thread is not None and transcript is state.thread.history and transcript is not frame.record


def _without_tail(transcript: Transcript, upto: int, kept_bytes: int) -> int:
    kept = 0
    for entry in reversed(transcript.entries[: max(upto - transcript.first, 0)]):
        kept += len(entry.data)
        if kept > kept_bytes:
            break
        upto -= 1
    return upto


def seal(frame: Frame, transcript: Transcript, chunks: list[Chunk]) -> None:
    """Forgets what lies in the blob store now: the items, and the answers that begin among them.

    Raises:
        ValueError: The chunks do not hold the items.
    """
    transcript.seal(chunks)
    if chunks and transcript is frame.record:
        frame.responses = _after(frame.responses, transcript)


def seal_history(thread: Thread | None, transcript: Transcript) -> None:
    """Forgets the answers of ended messages that begin among a thread's items that lie in the blob store now."""
    if thread is not None and transcript is thread.history:
        thread.responses = _after(thread.responses, transcript)


def _after(responses: list[ResponseRecord], transcript: Transcript) -> list[ResponseRecord]:
    return [each for each in responses if each.items is None and each.first >= transcript.first]


def forget(state: LoopState) -> None:
    """Forgets what only grows: the ids of old calls, their effects, and what was said about them."""
    open_calls = {call.id for frame in state.frames() for call in (*frame.calls, *frame.handoffs)}
    if state.thread is not None:
        forget_outcomes(state.thread)
    state.call_digests = _newest(state.call_digests, MAX_KNOWN_CALLS, open_calls)
    known = ((name, [each for each in ours if each in state.call_digests]) for name, ours in state.call_ids.items())
    state.call_ids = {name: ours for name, ours in known if ours}
    state.effects = _newest(state.effects, MAX_KNOWN_CALLS, open_calls)
    state.resolved = {
        call_id: replace(said, result=(said.result or "")[:200] or None)
        for call_id, said in _newest(state.resolved, MAX_KNOWN_DECISIONS, set()).items()
    }
    decided = _newest(state.decided, MAX_KNOWN_DECISIONS, open_calls)
    state.decided = {
        call_id: decision if call_id in open_calls else replace(decision, reason=(decision.reason or "")[:200] or None)
        for call_id, decision in decided.items()
    }


def _newest(values: dict[str, _T], count: int, kept: set[str]) -> dict[str, _T]:
    """The last entries, and those to be kept."""
    old = set(islice(values, max(len(values) - count, 0))) - kept
    return {name: value for name, value in values.items() if name not in old}
