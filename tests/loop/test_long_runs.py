"""What a run leaves behind when it goes on in a new history: only what is over, and only what lies elsewhere."""

from __future__ import annotations

import pytest

from perdure.agent import Agent
from perdure.limits import MAX_KNOWN_CALLS, MAX_KNOWN_DECISIONS
from perdure.loop.long_runs import forget, seal, sealable
from perdure.loop.records import Chunk, Decision, Transcript
from perdure.loop.state import LoopState
from perdure.loop.steps import CallTool
from tests.loop.runs import answer, answered, call, open_run, returned, steps, tool


def turns(count: int) -> LoopState:
    state = open_run(Agent(name="A", tools=[tool("t")]), max_turns=None)
    for number in range(count):
        answer(state, steps(state)[0], answered(call("t", call_id=f"c{number}")))
        [step] = steps(state)
        assert isinstance(step, CallTool)
        answer(state, step, returned(state, step))
    return state


def chunk(transcript: Transcript, upto: int) -> Chunk:
    count = upto - transcript.first
    return Chunk("ab", count, transcript.digest_at(upto), 1)


def test_a_run_that_has_asked_nothing_has_nothing_to_seal() -> None:
    assert list(sealable(open_run(Agent(name="A")), 0)) == []


def test_completed_turns_that_the_model_was_sent_may_be_sealed() -> None:
    state = turns(3)
    [(frame, transcript, upto)] = sealable(state, 0)
    assert (frame, transcript, upto) == (state.root, state.root.record, 5)  # the last turn has not been sent


def test_the_open_turn_stays() -> None:
    state = turns(3)
    answer(state, steps(state)[0], answered(call("t", call_id="open")))
    [(_, _, upto)] = sealable(state, 0)
    assert upto == 7


def test_a_sealed_transcript_goes_on_as_the_same_chain() -> None:
    state, whole = turns(3), turns(3)
    [(frame, transcript, upto)] = sealable(state, 0)
    seal(frame, transcript, [chunk(transcript, upto)])
    assert (transcript.count, transcript.first, transcript.inputs) == (7, 5, 1)
    for each in (state, whole):
        answer(each, steps(each)[0], answered(call("t", call_id="next")))
    assert transcript.digest_at(transcript.count) == whole.root.record.digest_at(whole.root.record.count)
    assert [each.first for each in frame.responses] == [5, 7]


def test_chunks_that_do_not_hold_the_items_are_refused() -> None:
    state = turns(3)
    [(frame, transcript, upto)] = sealable(state, 0)
    with pytest.raises(ValueError, match="does not hold"):
        seal(frame, transcript, [Chunk("ab", upto, "00")])
    assert transcript.first == 0


def test_so_many_bytes_stay() -> None:
    state = turns(3)
    size = len(state.root.record.entries[4].data)
    [(_, _, upto)] = sealable(state, size)
    assert upto == 4


def test_old_calls_and_decisions_are_forgotten_but_open_ones_are_not() -> None:
    state = turns(1)
    answer(state, steps(state)[0], answered(call("t", call_id="open")))
    opened = state.root.calls[0].id
    state.call_digests = {opened: "d", **{f"{n}.9": "d" for n in range(MAX_KNOWN_CALLS + 5)}}
    state.call_ids = {"open": [opened], "old": ["0.9"], "new": [f"{MAX_KNOWN_CALLS}.9"]}
    state.decided = {f"{n}.9": Decision(approve=True, reason="r" * 1000) for n in range(MAX_KNOWN_DECISIONS + 5)}
    forget(state)
    assert opened in state.call_digests
    assert "0.9" not in state.call_digests
    assert state.call_ids == {"open": [opened], "new": [f"{MAX_KNOWN_CALLS}.9"]}
    assert len(state.decided) == MAX_KNOWN_DECISIONS
    assert {len(each.reason or "") for each in state.decided.values()} == {200}
