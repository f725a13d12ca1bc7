"""A call of which nobody knows whether it took effect: never tried again before somebody says."""

from __future__ import annotations

from typing import Any

import pytest

from perdure import Agent
from perdure.contracts.frozen import freeze, thaw
from perdure.loop.absorb import absorb_timeout
from perdure.loop.plan import plan
from perdure.loop.records import Resolution
from perdure.loop.resolutions import resolve
from perdure.loop.settle import settle
from perdure.loop.state import LoopState
from perdure.loop.steps import CallModel, CallTool, OutcomeUnknown, ResolveEffect, ToolReturned, Wait
from tests.loop.runs import answer, answered, call, open_run, returned, steps, tool


def lost_run(*, effect: Any = "once", calls: int = 1) -> LoopState:
    """A run whose calls were lost with their worker."""
    state = open_run(Agent(name="A", tools=[tool("pay", effect=effect)]))
    answer(state, steps(state)[0], answered(*(call("pay", call_id=f"c{place}") for place in range(calls))))
    for step in steps(state):
        answer(state, step, OutcomeUnknown("the worker died"))
    return state


def say(state: LoopState, outcome: Any, name: str = "1.0", **more: Any) -> str:
    digest = more.pop("digest", None)
    verdict = resolve(state, name, Resolution(outcome, **more), digest).verdict
    settle(state, 0.0)
    return verdict


def told(state: LoopState, text: str = "so it was") -> None:
    """The ledger knows."""
    (step,) = steps(state)
    assert isinstance(step, ResolveEffect)
    item = {"type": "function_call_output", "call_id": "c0", "output": text}
    answer(state, step, ToolReturned({} if text == "" else item))


def test_it_waits_for_somebody_and_nothing_else_happens() -> None:
    state = lost_run()
    assert [action for action in plan(state) if not isinstance(action, Wait)] == []
    assert [(each.id, each.unknown) for each in state.unknown_calls()] == [("1.0", "the worker died")]
    assert state.unknown_outcomes == ["1.0"]


@pytest.mark.parametrize("outcome", ["happened", "not_happened"])
def test_once_somebody_has_said_the_model_gets_the_output(outcome: str) -> None:
    state = lost_run()
    assert say(state, outcome, by="ana") == "accepted"
    told(state)
    assert isinstance(steps(state)[0], CallModel)
    assert b"so it was" in state.root.record.entries[-1].data
    assert (state.unknown_outcomes, state.resolved["1.0"].by) == ([], "ana")


def test_retrying_runs_the_call_anew_and_may_be_lost_anew() -> None:
    state = lost_run()
    say(state, "retry")
    told(state, "")
    (step,) = steps(state)
    assert isinstance(step, CallTool)
    answer(state, step, OutcomeUnknown())
    assert [each.id for each in state.unknown_calls()] == ["1.0"]
    assert say(state, "retry") == "accepted"
    told(state, "")
    answer(state, steps(state)[0], returned(state, steps(state)[0]))
    assert state.unknown_outcomes == []


def test_the_first_word_holds() -> None:
    state = lost_run()
    assert say(state, "happened", result="x") == "accepted"
    assert say(state, "happened", result="x") == "repeated"
    assert say(state, "retry") == "too late"


@pytest.mark.parametrize(
    ("name", "more", "verdict"),
    [("9.9", {}, "unknown call"), ("c0", {}, "accepted"), ("1.0", {"digest": "other"}, "other digest")],
)
def test_what_is_said_must_be_about_that_call(name: str, more: dict[str, Any], verdict: str) -> None:
    assert say(lost_run(), "happened", name, **more) == verdict


def test_each_call_is_asked_about_on_its_own() -> None:
    state = lost_run(calls=2)
    say(state, "happened", "1.1")
    told(state)
    assert [each.id for each in state.unknown_calls()] == ["1.0"]
    assert steps(state) == []


def test_where_nobody_says_in_time_the_model_is_told_that_it_is_unknown() -> None:
    state = lost_run()
    (wait,) = (action for action in plan(state) if isinstance(action, Wait))
    absorb_timeout(state, wait, 0.0)
    settle(state, 0.0)
    assert b"may or may not have taken effect" in state.root.record.entries[-1].data
    assert state.unknown_outcomes == ["1.0"]


def test_a_call_that_may_be_repeated_and_was_lost_too_often_is_answered() -> None:
    state = lost_run(effect="repeatable")
    assert isinstance(steps(state)[0], CallModel)
    assert state.unknown_outcomes == ["1.0"]


def test_the_wait_goes_on_in_another_history() -> None:
    state = thaw(freeze(lost_run()))
    assert say(state, "retry") == "accepted"
    assert isinstance(steps(state)[0], ResolveEffect)
