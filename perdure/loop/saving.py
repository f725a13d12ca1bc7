"""What a frame's session is told, and when: the new input, each turn as it closes, a turn that waits as far as it is.

Each item is told once. What is due is told one write after the other; a frame goes on when its session has it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator

from perdure.canonical import encode
from perdure.definition import SessionDefinition
from perdure.limits import MAX_SESSION_WRITE_BYTES
from perdure.loop.records import Entry, Failure
from perdure.loop.showing import new_epoch
from perdure.loop.state import Call, Frame, LoopState
from perdure.loop.steps import SessionRead
from perdure.loop.tracking import Due, SessionTrack

WITHHELD = "Output withheld by an output guardrail."


def track(definition: SessionDefinition | None, writer: str) -> SessionTrack | None:
    """A session that a frame is to use, if it has one.

    Args:
        definition: The session.
        writer: What names the run in the keys of its writes.
    """
    return None if definition is None else SessionTrack(definition, writer)


def writer_of(origin: str) -> str:
    """What names a run in the keys of its writes: from the chain's digest before its first item."""
    return origin[:16]


def go_on_with(frame: Frame, definition: SessionDefinition | None) -> None:
    """Gives a frame that goes on in another run the session that comes with it; what was said so far is not told."""
    if definition is None:
        frame.session = None
    elif frame.session is not None:
        frame.session.definition = definition
    else:
        frame.session = SessionTrack(definition, "", is_read=True, turn=frame.turn)
        frame.session.saved = [_digest(entry.data) for entry in _turn(frame)]


def write_as(state: LoopState, writer: str) -> None:
    """Names the run that goes on from another one's state in its writes; what was due before keeps its key."""
    for frame in state.frames():
        if frame.session is not None:
            frame.session.writer = writer
            for each in frame.session.due:
                each.again = True


def take_history(state: LoopState, frame: Frame, read: SessionRead) -> None:
    """Puts the history before the input, as the session's reader has combined them; the input is told next."""
    use = _use(frame)
    frame.record = new_epoch(frame, state.root.record.origin, read.record.entries, read.record.sealed)
    frame.shown, frame.pruned, frame.input_is_text = frame.record, None, False
    frame.settled_items = frame.record.count
    use.is_read, use.last = True, read.last
    _put(use, [encode(item) for item in read.new])
    frame.stage = "saving"


def save_turn(frame: Frame) -> None:
    """Has the turn told that closes, as far as it was not before."""
    if frame.session is not None:
        _add(frame, [entry.data for entry in _turn(frame)])


def save_paused(state: LoopState) -> None:
    """Has told what there is of turns that wait for a person and for nothing else."""
    for frame in state.frames():
        if frame.session is None or not rests(frame) or _may_be_withheld(state, frame):
            continue
        answers = [encode(call.output) for call in frame.calls if call.output is not None]
        _add(frame, [*(entry.data for entry in _turn(frame)), *answers])


def save_added(frame: Frame, items: list[bytes]) -> None:
    """Has input told that was added while the run was under way, or what a model had said when it was stopped."""
    if frame.session is not None and items:
        _put(frame.session, items)


def save_rejected(frame: Frame, failure: Failure) -> None:
    """Has told what stays of a final turn that its output guardrails ended in a failure, which stands after that.

    An answer of the model that a guardrail stopped is not told; outputs of tools are, without what they said.
    """
    use = _use(frame)
    use.failure = failure
    frame.stage = "saving"
    if failure.type != "OutputGuardrailTripwireTriggered":
        save_turn(frame)
        return
    entries = _new(use, frame.turn, list(_turn(frame)))
    if any(_is_output(entry) for entry in entries):
        _put(use, [_withheld(entry) for entry in entries])


def written(frame: Frame, last: list[str]) -> None:
    """The session has the oldest of what was due."""
    use = _use(frame)
    use.due, use.last = use.due[1:], last


def _use(frame: Frame) -> SessionTrack:
    if frame.session is None:
        raise RuntimeError(f"the frame {frame.path!r} has no session")
    return frame.session


def _turn(frame: Frame) -> Iterator[Entry]:
    """The items of the last turn; input that was added before it is told by itself."""
    found: list[Entry] = []
    for entry in reversed(frame.record.entries):
        if entry.turn != frame.turn:
            break
        if entry.kind not in ("input", "added", "interrupted"):
            found.append(entry)
    return reversed(found)


def _new(use: SessionTrack, turn: int, entries: list[Entry]) -> list[Entry]:
    """Those of a turn's items that were not told before."""
    told = Counter(use.saved if use.turn == turn else [])
    found: list[Entry] = []
    for entry in entries:
        digest = _digest(entry.data)
        if told[digest]:
            told[digest] -= 1
        else:
            found.append(entry)
    return found


def _add(frame: Frame, items: list[bytes]) -> None:
    use = _use(frame)
    new = [each.data for each in _new(use, frame.turn, [Entry(data, "answer", "", 0, "") for data in items])]
    if use.turn != frame.turn:
        use.turn, use.saved = frame.turn, []
    use.saved += map(_digest, new)
    _put(use, new)


def _put(use: SessionTrack, items: Iterable[bytes]) -> None:
    """Appends a write; one that is too large for a step becomes several."""
    group: list[bytes] = []
    size = 0
    for item in items:
        if group and size + len(item) > MAX_SESSION_WRITE_BYTES:
            _append(use, group)
            group, size = [], 0
        group.append(item)
        size += len(item)
    if group:
        _append(use, group)


def _append(use: SessionTrack, items: list[bytes]) -> None:
    if use.kept is not None:
        use.kept += items
        return
    use.due.append(Due(use.writes, use.writer, items))
    use.writes += 1


def rests(frame: Frame) -> bool:
    """Whether calls of a frame wait for a person, and nothing else of it goes on."""
    waiting = any(_waits(call) for call in frame.calls)
    return frame.stage == "calling" and waiting and all(call.phase == "done" or _waits(call) for call in frame.calls)


def _waits(call: Call) -> bool:
    if call.phase in ("waiting", "unknown"):
        return True
    return call.phase == "running" and call.child is not None and rests(call.child)


def _may_be_withheld(state: LoopState, frame: Frame) -> bool:
    """Whether a tool's output may yet be the final one, and a guardrail keep it from the session."""
    definition = state.definition(frame)
    judged = definition.output_guardrails or frame.rules.output_guardrails
    return bool(judged) and definition.tool_use != "run_llm_again"


def _is_output(entry: Entry) -> bool:
    return entry.kind in ("output", "value")


def _withheld(entry: Entry) -> bytes:
    if not _is_output(entry):
        return entry.data
    call_id = json.loads(entry.data)["call_id"]
    return encode({"call_id": call_id, "output": WITHHELD, "type": "function_call_output"})


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
