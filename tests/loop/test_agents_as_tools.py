"""Agents that run as tools: frames below calls, in the same loop."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.agent import Agent
from perdure.contracts.frozen import freeze, rebase, thaw
from perdure.loop.plan import plan
from perdure.loop.records import Failure
from perdure.loop.settle import settle
from perdure.loop.steps import Cancel, StepFailed
from tests.loop.runs import answer, answered, approve, call, message, open_run, play, steps, tool

ASK = '{"input": "what?"}'


def outer(inner: Agent[Any], **options: Any) -> Agent[Any]:
    return Agent(name="A", tools=[inner.as_tool("ask", "Asks.", **options), tool("a")])


def test_the_inner_answer_is_the_outer_tools_output() -> None:
    played = play(
        open_run(outer(Agent(name="In"))), {"A": [[call("ask", ASK)], [message("bye")]], "In": [[message("42")]]}
    )
    assert played.requests[1] == [{"content": "what?", "role": "user"}]
    assert played.requests[2][-1]["output"] == "42"
    assert played.ids == ["model.1", "model.1.0/1", "model.2"]


def test_a_wait_inside_is_one_of_the_run_and_comes_back_to_its_call() -> None:
    inner = Agent[Any](name="In", tools=[tool("pay", needs_approval=True)])
    state = open_run(outer(inner))
    models = {"A": [[call("ask", ASK)]], "In": [[call("pay")]]}
    play(state, models)
    assert [each.id for each in state.waiting_calls()] == ["1.0/1.0"]
    assert approve(state, "1.0/1.0") == "accepted"
    played = play(state, {"A": [[message("bye")]], "In": [[message("paid")]]})
    assert (played.final, played.ids) == ("bye", ["tool.1.0/1.0", "model.1.0/2", "model.2"])


def test_a_standing_decision_holds_for_the_inner_run_alone() -> None:
    inner = Agent[Any](name="In", tools=[tool("pay", needs_approval=True)])
    state = open_run(outer(inner))
    play(state, {"A": [[call("ask", ASK)]], "In": [[call("pay")]]})
    approve(state, "1.0/1.0", always=True)
    play(state, {"A": [[call("ask", ASK, "2")]], "In": [[message("x")], [call("pay", call_id="3")]]})
    assert [each.id for each in state.waiting_calls()] == ["2.0/1.0"]


@pytest.mark.parametrize(("on_failure", "ends"), [("text", "bye"), (None, None)])
def test_an_inner_failure_is_text_or_the_runs_own(on_failure: str | None, ends: str | None) -> None:
    options: dict[str, Any] = {} if on_failure else {"failure_error_function": None}
    state = open_run(outer(Agent(name="In"), max_turns=0, **options))
    played = play(state, {"A": [[call("ask", ASK)], [message("bye")]], "In": []})
    assert played.final == ends
    if ends is None:
        assert played.failure is not None
        assert played.failure.type == "MaxTurnsExceeded"
    else:
        assert "Max turns (0) exceeded" in played.requests[1][-1]["output"]


def test_what_an_inner_run_had_begun_is_stopped_when_it_fails() -> None:
    inner = Agent[Any](name="In", tools=[tool("x"), tool("y")])
    state = open_run(outer(inner))
    answer(state, steps(state)[0], answered(call("ask", ASK)))
    answer(state, steps(state)[0], answered(call("x"), call("y")))
    from perdure.loop.absorb import started

    first, second = steps(state)
    started(state, second)
    answer(state, first, StepFailed(Failure("UserError", "broken")))
    assert Cancel(second.id) in plan(state)


def test_several_run_at_once_and_a_frozen_wait_goes_on_elsewhere() -> None:
    inner = Agent[Any](name="In", tools=[tool("pay", needs_approval=True)])
    state = open_run(outer(inner))
    both = [call("ask", ASK, "1"), call("ask", '{"input": "and?"}', "2")]
    play(state, {"A": [both], "In": [[call("pay")], [call("pay")]]})
    assert [each.id for each in state.waiting_calls()] == ["1.0/1.0", "1.1/1.0"]
    frozen = freeze(state)
    assert freeze(thaw(freeze(state))) == frozen
    other = thaw(frozen)
    rebase(other, "ab" * 32)
    for call_id in ("1.0/1.0", "1.1/1.0"):
        approve(other, call_id)
    settle(other, 0.0)
    played = play(other, {"A": [[message("bye")]], "In": [[message("one")], [message("two")]]})
    assert played.final == "bye"
    assert [each["output"] for each in played.requests[-1][-2:]] == ["one", "two"]
