"""A run as it is kept outside of it, and as it stood at the end of a turn."""

from __future__ import annotations

import json
from typing import Any

import pytest

from perdure.client.reading import Said
from perdure.client.saving import SavedRun, completed, document_of, last_completed, read_document, saved_run
from perdure.contracts.tokens import Tokens
from perdure.errors import UserError
from tests.perdure.client.runs import HI, answer, call, entry, open_call, output, reached, status, text, two_turns


def saved(said: Said | None = None, shown: Said | None = None, **fields: Any) -> SavedRun:
    return saved_run("run-1", "A", reached(said, shown, **fields), max_turns=7)


def handed_over() -> Said:
    """Turn 1 hands over to B, turn 2 calls a tool, turn 3 answers."""
    entries = [
        HI,
        entry(call("h1", "transfer_to_b"), "handoff"),
        entry(output("h1"), "handed_off", target="B"),
        entry(call("c2"), turn=2, agent="B"),
        entry(output("c2"), "output", turn=2, agent="B"),
        entry(text("done"), turn=3, agent="B"),
    ]
    return Said(entries, [answer(1, 1), answer(2, 3, agent="B"), answer(3, 5, agent="B")])


def test_a_document_survives_json() -> None:
    one = saved(two_turns(), two_turns(), context={"sold": 2})
    assert read_document(json.loads(json.dumps(document_of(one)))) == one


def test_what_lacks_something_is_refused_by_its_name() -> None:
    with pytest.raises(UserError, match=r"does not hold what a run needs to go on .*root: Field required"):
        read_document({"run_id": "run-1", "agent": "A"})


def test_calls_that_wait_are_kept_with_their_agents() -> None:
    waiting = status(calls=[open_call("1.0", "running"), open_call("1.0/1.0", path="1.0", agent="B")])
    one = saved_run("run-1", "A", reached(), max_turns=7, status=waiting, frozen={"x": 1})
    assert [(each["id"], each["agent"], each["digest"]) for each in one.interruptions] == [("1.0/1.0", "B", "d1.0/1.0")]
    assert one.frozen == {"x": 1}


@pytest.mark.parametrize(
    ("turn", "items", "agent", "requests"), [(0, 1, "A", 0), (1, 3, "B", 1), (2, 5, "B", 2), (3, 6, "B", 3)]
)
def test_the_end_of_a_turn_has_what_was_said_until_then(turn: int, items: int, agent: str, requests: int) -> None:
    whole = saved(handed_over(), agent="B", usage=Tokens(requests=3, input=30), requests=[(10, 5, 0, 0)] * 3)
    stood = completed(whole, turn)
    assert stood is not None
    assert (len(stood.entries), stood.agent, stood.turn) == (items, agent, turn)
    assert (stood.usage.requests, len(stood.requests), len(stood.responses)) == (requests, requests, requests)


def test_an_end_of_a_turn_waits_for_nothing() -> None:
    waiting = status(calls=[open_call("2.0")])
    one = saved_run("run-1", "A", reached(), max_turns=7, status=waiting, frozen={"x": 1})
    stood = completed(one, 1)
    assert stood is not None
    assert (stood.interruptions, stood.frozen) == ([], None)


@pytest.mark.parametrize("turn", [3, 99, -1])
def test_a_turn_that_did_not_happen_has_no_end(turn: int) -> None:
    assert completed(saved(), turn) is None


def test_a_turn_with_an_unanswered_call_has_no_end() -> None:
    open_turn = Said([HI, entry(call("c1")), entry(call("c1")), entry(output("c1"), "output")], [answer(1, 1, 2)])
    assert completed(saved(open_turn), 1) is None


def test_calls_of_the_provider_need_no_output() -> None:
    hosted = Said([HI, entry({"type": "web_search_call", "id": "ws"}), entry(text("x"))], [answer(1, 1, 2)])
    assert completed(saved(hosted), 1) is not None


def test_the_last_completed_turn_is_the_one_before_an_open_one() -> None:
    said = handed_over()
    cut = Said(said.entries[:4], said.responses[:2])
    stood = last_completed(saved(cut, agent="B"))
    assert (stood.turn, stood.agent, len(stood.entries)) == (1, "B", 3)


def test_a_run_without_a_completed_turn_has_its_input() -> None:
    stood = last_completed(saved(Said([HI, entry(call("c1"))], [answer(1, 1)])))
    assert (stood.turn, stood.entries, stood.usage) == (0, [HI], Tokens())


def test_what_a_handoff_edited_counts_from_its_turn_on() -> None:
    shown = Said([entry({"content": "short", "role": "user"}, "input"), *handed_over().entries[3:]], [])
    whole = saved(handed_over(), shown, agent="B")
    before, after = completed(whole, 0), completed(whole, 2)
    assert before is not None
    assert after is not None
    assert before.shown is None
    assert after.shown == shown.entries[:3]
