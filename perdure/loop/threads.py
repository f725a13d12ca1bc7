"""A thread goes from one message to the next: each is a run that goes on from what was said so far, as with a session.

What a message's run leaves in the thread is what it would tell a session: the rules of `saving` hold.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from pydantic_core import to_jsonable_python

from perdure.canonical import encode
from perdure.definition import RunRules, SessionDefinition
from perdure.items import message_text
from perdure.limits import MAX_KNOWN_OUTCOMES, MAX_OUTCOMES_BYTES, MAX_OWN_BYTES
from perdure.loop.conversing import Ended, Thread, UnderWay
from perdure.loop.frames import begin
from perdure.loop.records import Entry, Failure, Final, Transcript
from perdure.loop.showing import has_twins, requestable_after, without_answer
from perdure.loop.state import Frame, LoopState
from perdure.loop.tracking import SessionTrack
from perdure.loop.turn import warn
from perdure.usage import Usage

_APART = 10  # of so many messages it is kept what their runs said, where the thread keeps something else
NOBODY = "~"  # the frame of steps whose message has ended


def turn_over(state: LoopState, thread: Thread) -> bool:
    """Ends the message whose run is over, and begins the next one; tells whether there is something to settle."""
    if state.root.failure is not None or (state.root.stage == "done" and thread.current is not None):
        _end(state, thread)
    if state.root.stage != "listening" or thread.failure is not None:
        return False
    if thread.queue:
        _begin(state, thread)
        return True
    if thread.closing:
        state.root.stage = "done"
    return False


def _end(state: LoopState, thread: Thread) -> None:
    root, current = state.root, thread.current
    if current is None:  # nothing was asked of it: it is the thread itself that fails
        thread.failure = root.failure
        return
    extras, first = _apart(thread, root, current)
    if _settle_history(thread, root, current):
        extras = {}
        thread.responses += root.responses
    else:
        thread.responses += [replace(each, items=each.items or _brought(root, each)) for each in root.responses]
    ended = Ended(
        sequence=current.sequence,
        message_id=current.message_id,
        given=current.given,
        inputs=current.inputs,
        end=thread.history.count,
        begun=root.begun,
        turns=root.turn,
        settled=max(root.settled_items - first, 0),
        settled_turns=root.settled_turns,
        agent=root.agent,
        max_turns=root.max_turns,
        usage=state.usage,
        guardrails=root.guardrails,
        settings=current.settings,
        first=current.agent,
        final=_final(root),
        failure=root.failure,
        stopped=root.stopping and root.failure is None and root.final is None,
        omits=root.rules.omit_reasoning_ids,
        **extras,
    )
    older = [each if each.own is None else replace(each, own=None) for each in thread.ended[:-_APART]]
    thread.ended = [*older, *thread.ended[-_APART:], ended][-MAX_KNOWN_OUTCOMES:]
    _note_unsaid(state, root, current)
    thread.used.add(state.usage)
    thread.current, state.usage = None, Usage()
    _forget_steps(state)
    state.root = _idle(thread, root)


def _apart(thread: Thread, root: Frame, current: UnderWay) -> tuple[dict[str, Any], int]:
    """What the run's result is to be made of where the thread keeps something else, and where in the record it begins.

    Too much is not kept: then the result is made of what the thread keeps.
    """
    record, first = root.record, current.given + current.inputs
    if record is thread.history:
        own = record.after(max(first, record.first))
    elif record.first:
        own = [entry for entry in record.entries if entry.kind != "input" and entry.turn > root.begun]
        first = record.count - len(own)
    else:
        before = [entry._replace(kind="input", turn=0) for entry in record.entries[: record.given]]
        own, first = [*before, *record.entries[record.given :]], 0
    if record.first > first or sum(len(entry.data) for entry in own) > MAX_OWN_BYTES:
        return {}, first
    return {"own": [entry._replace(digest="") for entry in own], "whole": not first}, first


def _settle_history(thread: Thread, root: Frame, current: UnderWay) -> bool:
    """Makes what the session was told what the thread keeps; tells whether that is the run's very record."""
    told = _told(root)
    history, is_record = thread.history, root.record is thread.history
    sealed = max(history.first - current.given, 0)  # of this message
    rest = told[sealed:]
    said = history.after(max(current.given, history.first))
    if not is_record or [entry.data for entry in said] != rest:
        ran = [entry for entry in root.record.entries if entry.kind != "input" and entry.turn >= root.begun]
        known = {entry.data: entry for entry in (*ran, *said)}
        kept = history.entries[: max(current.given - history.first, 0)]
        entries = [known.get(data) or _unknown(root, data) for data in rest]
        thread.history = continued(history, root.epochs, [*kept, *entries])
        root.epochs += 1
    new = [entry for entry in thread.history.after(max(current.given, history.first)) if entry.kind != "input"]
    thread.suspect = thread.suspect or without_answer(new) or has_twins(thread.history, new)
    return is_record and thread.history is root.record


def continued(transcript: Transcript, epoch: int, entries: list[Entry]) -> Transcript:
    """Another transcript with the same sealed items, and these after them; what they have in common hashes alike."""
    other = Transcript(transcript.origin, epoch, sent=transcript.first, sealed=transcript.sealed)
    for entry in entries:
        other.append(entry.data, entry.kind, entry.agent, entry.turn, entry.target)
    return other


def _unknown(root: Frame, data: bytes) -> Entry:
    """An item that was told and does not stand in the record: of a turn that never closed, or an output withheld."""
    kind = "output" if json.loads(data).get("type") == "function_call_output" else "answer"
    return Entry(data, kind, root.agent, root.turn, "")


def _note_unsaid(state: LoopState, root: Frame, current: UnderWay) -> None:
    """Lets a person know of what the message's model was not told any more."""
    if root.pending:
        names = ", ".join(sent.message_id for sent in root.pending[:5])
        warn(state, f"Message {current.sequence} ended before its model was told what was sent to it last: {names}.")


def _final(root: Frame) -> Final | None:
    """The final output; a text that the last message has is not kept twice."""
    if root.failure is not None or root.final is None or not root.record.entries:
        return None
    last: dict[str, Any] = json.loads(root.record.entries[-1].data)
    is_said = last.get("type") == "message" and root.final.text and message_text(last) == root.final.text
    return replace(root.final, text=None) if is_said else root.final


def _told(root: Frame) -> list[bytes]:
    """What a session was told of the run, or would be."""
    told = root.session.kept if root.session is not None else None
    if told is None or not root.rules.omit_reasoning_ids:
        return told or []
    return [_without_reasoning_id(data) for data in told]


def _without_reasoning_id(data: bytes) -> bytes:
    if b'"reasoning"' not in data:
        return data
    item: dict[str, Any] = json.loads(data)
    return encode({name: each for name, each in item.items() if name != "id" or item.get("type") != "reasoning"})


def _brought(root: Frame, response: Any) -> list[bytes]:
    place = response.first - root.record.first
    return [entry.data for entry in root.record.entries[max(place, 0) : max(place, 0) + response.count]]


def _forget_steps(state: LoopState) -> None:
    """Nobody waits any more for what is in flight; a step of the next message has another id."""
    state.in_flight = dict.fromkeys(state.in_flight, NOBODY)
    state.deferred, state.steering.stopped, state.steering.interrupted = {}, [], None


def _idle(thread: Thread, root: Frame) -> Frame:
    """The thread between two messages."""
    turn = max(root.turn, root.begun + 1) + (root.failure is not None)  # so that no step's id comes again
    history = thread.history
    return Frame(
        path="", agent=root.agent, rules=RunRules(), record=history, shown=history, turn=turn, begun=turn,
        max_turns=root.max_turns, epochs=root.epochs, stage="listening", settled_items=history.count,
        settled_turns=turn,
    )  # fmt: skip


def _begin(state: LoopState, thread: Thread) -> None:
    message = thread.queue.pop(0)
    idle, history = state.root, thread.history
    state.agent_name = message.agent
    if message.snapshot is not None or message.by_name:
        state.snapshot = message.snapshot
    if message.context is not None:
        state.context = message.context
    items = [encode(item) for item in message.items]
    thread.current = UnderWay(message.sequence, message.message_id, history.count, len(items), message.settings)
    history.given = history.count
    for item in items:  # not of the last turn, which the run before has told
        history.append(item, "input", message.agent, 0)
    record = _requestable(thread, idle, len(items))
    session = SessionTrack(SessionDefinition(session_id=""), "", is_read=True, kept=list(items))
    state.root = Frame(
        path="", agent=idle.agent, rules=RunRules(), record=record, shown=record, max_turns=message.max_turns,
        turn=idle.turn, begun=idle.turn, epochs=idle.epochs, session=session,
    )  # fmt: skip
    state.call_ids = {}  # models may repeat those of earlier messages
    if state.snapshot is not None:
        seat(state)
        begin(state, state.root)


def _requestable(thread: Thread, idle: Frame, new: int) -> Transcript:
    """The history with the last items, which are new; without what providers refuse, if there may be any of that."""
    history = thread.history
    thread.suspect = thread.suspect or has_twins(history, history.after(history.count - new))
    if not thread.suspect:
        return history
    kept = requestable_after(history.entries, history.given - history.first)
    if len(kept) == len(history.entries):
        return history
    record = continued(history, idle.epochs, kept)
    record.given = record.count - new
    idle.epochs += 1
    return record


def seat(state: LoopState) -> None:
    """Gives the word to the agent that had it last, if the agents lead to it still; else to the one that starts."""
    if state.snapshot is None:
        raise RuntimeError("the message has no snapshot of its agents yet")
    last = state.root.agent
    goes_on = state.thread is not None and last in state.snapshot.agents
    state.root.agent = last if goes_on else state.snapshot.start
    state.root.rules = state.snapshot.rules
    if state.thread is not None and state.thread.current is not None:
        state.thread.current = replace(state.thread.current, agent=state.root.agent)


def forget_outcomes(thread: Thread) -> None:
    """Forgets how older messages ended, where that takes much room; the last one's outcome stays."""
    size = 0
    for number, ended in enumerate(reversed(thread.ended)):
        size += len(encode(to_jsonable_python(ended)))
        if number and size > MAX_OUTCOMES_BYTES:
            thread.ended = thread.ended[len(thread.ended) - number :]
            return


def fail_thread(state: LoopState, failure: Failure) -> None:
    """Ends the run, or the thread with whatever its messages were about."""
    if state.thread is None:
        state.root.failure = failure
    else:
        state.thread.failure = failure
