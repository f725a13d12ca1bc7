"""Decisions about calls that wait."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from perdure.loop.decisions import judge_decision
from perdure.loop.state import Decision, LoopState
from perdure.loop.steps import CallJudged
from tests.loop.runs import (
    answer,
    approve,
    call,
    call_steps,
    end,
    names,
    open_run,
    outputs,
    reject,
    run_tool,
    start_all,
)


def waiting(*names: str) -> LoopState:
    """A run whose calls (`pay` unless named) wait for decisions."""
    state = open_run()
    answer(state, *(call(name, id=f"c{position}") for position, name in enumerate(names or ("pay",))))
    return state


def test_an_approved_call_runs_at_once_whatever_else_waits() -> None:
    state = waiting("pay", "pay")
    assert approve(state, "1.1").verdict == "accepted"
    assert names(state) == ["approval.1.0", "tool.1.1"]


def test_a_call_keeps_the_decision_about_it() -> None:
    state = waiting()
    approve(state, "1.0", by="ana", at=5.0)
    assert state.decided == {"1.0": Decision(True, "ana", at=5.0)}
    assert state.calls[0].decision == state.decided["1.0"]


def test_a_rejected_call_is_answered_with_its_reason() -> None:
    state = waiting()
    reject(state, "1.0", reason="too expensive")
    assert outputs(state) == [("c0", "too expensive")]


@pytest.mark.parametrize("reason", [None, ""])
def test_a_call_rejected_without_reason_is_answered_with_the_default_text(reason: str | None) -> None:
    state = waiting()
    reject(state, "1.0", reason=reason)
    assert outputs(state) == [("c0", "Tool execution was not approved.")]


def test_a_run_whose_last_open_call_is_rejected_goes_on() -> None:
    state = waiting()
    reject(state, "1.0")
    assert names(state) == ["model.2"]


def test_a_run_whose_calls_are_all_rejected_at_once_goes_on() -> None:
    state = waiting("pay", "pay")
    reject(state, "1.0", always=True, reason="never")
    assert (names(state), outputs(state)) == (["model.2"], [("c0", "never"), ("c1", "never")])


def test_a_rejected_call_waits_for_its_siblings_outputs() -> None:
    state = waiting("pay", "look")
    reject(state, "1.0")
    assert (names(state), outputs(state)) == (["tool.1.1"], [])
    run_tool(state, "1.1", "seen")
    assert outputs(state) == [("c0", "Tool execution was not approved."), ("c1", "seen")]


def test_the_same_decision_again_is_harmless() -> None:
    state = waiting("pay", "pay")
    approve(state, "1.0", by="ana")
    again = approve(state, "1.0", by="ben")
    assert (again.verdict, again.explanation) == ("repeated", "Call 1.0 was already approved by ana.")
    assert state.decided["1.0"].by == "ana"


def test_a_contradictory_decision_comes_too_late() -> None:
    state = waiting("pay", "pay")
    approve(state, "1.0", by="ana")
    later = reject(state, "1.0")
    assert (later.verdict, later.explanation) == (
        "too late",
        "Call 1.0 was already approved by ana; the first decision holds.",
    )
    assert call_steps(state) == ["1.0"]


def test_a_decision_is_remembered_after_its_turn() -> None:
    state = waiting()
    reject(state, "1.0")
    assert reject(state, "1.0").verdict == "repeated"
    assert approve(state, "1.0").verdict == "too late"


@pytest.mark.parametrize(
    ("calls", "name", "digest", "verdict"),
    [
        (("pay",), "9.9", None, "unknown call"),
        (("pay",), "", None, "unknown call"),
        (("pay",), "2.0", None, "unknown call"),  # too early: there is no such call yet
        (("pay", "look"), "1.1", None, "too late"),  # it needs no decision
        (("pay", "book"), "1.1", None, "too late"),  # its rule has not spoken
        (("pay",), "1.0", "000000000000", "other digest"),
        (("pay",), "c0", "000000000000", "other digest"),
    ],
)
def test_a_decision_that_does_not_fit_changes_nothing(
    calls: tuple[str, ...], name: str, digest: str | None, verdict: str
) -> None:
    state = waiting(*calls)
    before = copy.deepcopy(state)
    assert approve(state, name, digest, always=True).verdict == verdict
    assert reject(state, name, digest).verdict == verdict
    assert state == before


def test_an_unknown_call_is_answered_with_those_that_wait() -> None:
    assert approve(waiting("pay", "look", "pay"), "7.0").explanation == ("No call 7.0 is known; waiting now: 1.0, 1.2.")


def test_a_decision_with_the_calls_digest_is_accepted() -> None:
    state = waiting()
    assert approve(state, "1.0", state.calls[0].digest).verdict == "accepted"


def test_judging_a_decision_changes_nothing() -> None:
    state = waiting()
    before = copy.deepcopy(state)
    assert judge_decision(state, "1.0", Decision(False, always=True), None).verdict == "accepted"
    assert state == before


def test_the_models_id_is_an_alias_while_one_call_bore_it() -> None:
    state = waiting("pay", "pay")
    assert approve(state, "c1").call_id == "1.1"
    assert call_steps(state) == ["1.1"]


def test_an_id_that_two_calls_bore_is_ambiguous_even_if_one_is_over() -> None:
    state = waiting()
    approve(state, "1.0")
    run_tool(state, "1.0")
    answer(state, call("pay", '{"other": 1}', id="c0"))
    ruling = approve(state, "c0")
    assert (ruling.verdict, ruling.explanation) == (
        "ambiguous call",
        "2 calls of this run bear the id c0: name 1.0 or 2.0.",
    )
    assert call_steps(state) == []
    assert approve(state, "2.0").verdict == "accepted"


def test_our_id_goes_before_a_models_id_that_reads_the_same() -> None:
    state = open_run()
    answer(state, call("pay", id="1.1"), call("pay", id="1.0"))
    assert approve(state, "1.0").call_id == "1.0"


def test_an_ordinary_decision_covers_one_call_only() -> None:
    state = waiting()
    approve(state, "1.0")
    run_tool(state, "1.0")
    answer(state, call("pay", id="c9"))
    assert names(state) == ["approval.2.0"]


def test_always_covers_other_calls_that_wait_and_later_ones() -> None:
    state = waiting("pay", "pay")
    approve(state, "1.0", always=True)
    assert call_steps(state) == ["1.0", "1.1"]
    for call_id in ("1.0", "1.1"):
        run_tool(state, call_id)
    answer(state, call("pay", id="c9"))
    assert call_steps(state) == ["2.0"]
    assert state.decided["2.0"].always


def test_always_covers_no_other_tool() -> None:
    state = open_run()
    answer(state, call("pay", id="c0"), call("book", id="c1"))
    start_all(state)
    end(state, "1.1", CallJudged(True))
    approve(state, "1.0", always=True)
    assert names(state) == ["tool.1.0", "approval.1.1"]


def test_a_standing_rejection_keeps_its_reason_and_the_run_goes_on() -> None:
    state = waiting()
    reject(state, "1.0", always=True, reason="never pay")
    answer(state, call("pay", id="c9"))
    assert (names(state), outputs(state)) == (["model.3"], [("c0", "never pay"), ("c9", "never pay")])


def test_a_standing_decision_answers_for_a_rule_that_is_being_asked() -> None:
    state = waiting("book", "book")
    start_all(state)
    end(state, "1.0", CallJudged(True))
    reject(state, "1.0", always=True)
    end(state, "1.1", CallJudged(False))
    assert (names(state), len(outputs(state))) == (["model.2"], 2)


def test_a_standing_decision_spares_later_calls_the_rule() -> None:
    state = waiting("book")
    start_all(state)
    end(state, "1.0", CallJudged(True))
    approve(state, "1.0", always=True)
    run_tool(state, "1.0")
    answer(state, call("book", id="c9"))
    assert names(state) == ["tool.2.0"]


def test_an_exact_decision_holds_against_a_standing_one_that_comes_later() -> None:
    state = waiting("pay", "pay")
    reject(state, "1.1", reason="not this one")
    approve(state, "1.0", always=True)
    run_tool(state, "1.0", "paid")
    assert outputs(state) == [("c0", "paid"), ("c1", "not this one")]


def test_a_call_that_a_standing_decision_covered_is_decided() -> None:
    state = waiting("pay", "pay")
    approve(state, "1.0", always=True)
    assert reject(state, "1.1").verdict == "too late"


@pytest.mark.parametrize("name", ["x" * 100_000, "\n", "1.0 ", "*", "1.0.0"])
def test_a_name_of_any_kind_is_answered_in_a_short_sentence(name: str) -> None:
    ruling = approve(waiting(), name)
    assert ruling.verdict == "unknown call"
    assert len(ruling.explanation) < 200


def test_after_the_run_has_ended_a_decision_changes_nothing() -> None:
    state = waiting()
    reject(state, "1.0")
    answer(state)
    before: Any = copy.deepcopy(state)
    assert approve(state, "1.0").verdict == "too late"
    assert state == before
