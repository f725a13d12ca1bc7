"""The run's transcript: append-only, a chain, as long as what was said."""

from __future__ import annotations

import json

from perdure.canonical import canonical
from perdure.loop.state import Transcript
from perdure.transcript import chain
from tests.loop.runs import ORIGIN, answer, call, message, open_run, run_tool


def test_an_empty_transcripts_digest_is_its_origin() -> None:
    assert Transcript(ORIGIN).digest_at(0) == ORIGIN


def test_the_digest_after_each_item_is_the_chains() -> None:
    transcript = Transcript(ORIGIN)
    items = [b'{"a":1}', b'{"b":2}', b'{"c":3}']
    for item in items:
        transcript.append(item, "input", "Support", 0)
    assert [transcript.digest_at(count) for count in range(4)] == [chain(ORIGIN, items[:count]) for count in range(4)]


def test_earlier_items_are_never_touched_again() -> None:
    state = open_run()
    kept = list(state.transcript.entries)
    for turn in range(1, 5):
        answer(state, call(id=f"c{turn}"))
        run_tool(state, f"{turn}.0")
        assert all(now is then for now, then in zip(state.transcript.entries, kept, strict=False))
        assert len(state.transcript.entries) == len(kept) + 2
        kept = list(state.transcript.entries)


def test_items_lie_in_canonical_form() -> None:
    state = open_run()
    answer(state, call(arguments='{"name": "Zoë"}'))
    run_tool(state, "1.0", "für Zoë")
    answer(state, message("Grüße"))
    assert all(canonical(json.loads(entry.data)) == entry.data for entry in state.transcript.entries)


def test_what_the_next_model_call_has_not_seen_is_what_came_after_the_last_one() -> None:
    state = open_run()
    answer(state, call())
    run_tool(state, "1.0")
    new = state.transcript.entries[state.transcript.sent :]
    assert [entry.kind for entry in new] == ["answer", "output"]


def test_each_item_knows_its_agent_and_turn() -> None:
    state = open_run()
    answer(state, call())
    run_tool(state, "1.0")
    answer(state, message("bye"))
    assert [(entry.agent, entry.turn) for entry in state.transcript.entries] == [
        ("Support", 0),
        ("Support", 1),
        ("Support", 1),
        ("Support", 2),
    ]
