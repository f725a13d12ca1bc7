"""A run that is to stop ends its open turn as it would, and begins no other."""

from __future__ import annotations

from perdure.agent import Agent
from perdure.contracts.frozen import freeze, thaw
from perdure.loop.plan import plan
from perdure.loop.state import LoopState
from perdure.loop.steps import CallModel, CallTool, Finish
from perdure.loop.stopping import stop
from tests.loop.runs import answer, answered, call, message, open_run, returned, steps, tool


def asked(max_turns: int = 10) -> LoopState:
    """A run whose model has called a tool."""
    state = open_run(Agent(name="A", tools=[tool("look")]), max_turns=max_turns)
    answer(state, steps(state)[0], answered(call("look")))
    return state


def look(state: LoopState) -> None:
    [step] = steps(state)
    assert isinstance(step, CallTool)
    answer(state, step, returned(state, step))


def test_the_open_turn_s_calls_are_made_and_the_model_is_not_asked_again() -> None:
    state = asked()
    stop(state)
    look(state)
    assert plan(state) == [Finish()]
    assert [entry.kind for entry in state.root.record.entries] == ["input", "answer", "output"]
    assert state.root.final is None


def test_an_answer_that_is_final_is_the_result() -> None:
    state = open_run(Agent(name="A"))
    [step] = steps(state)
    stop(state)
    answer(state, step, answered(message("done")))
    assert state.root.final is not None


def test_a_run_that_stops_has_not_passed_its_limit() -> None:
    state = asked(max_turns=1)
    stop(state)
    look(state)
    assert state.failure is None


def test_a_stop_that_is_taken_back_stops_nothing() -> None:
    state = asked()
    stop(state)
    stop(state, withdraw=True)
    look(state)
    assert isinstance(steps(state)[0], CallModel)


def test_a_stop_goes_along_into_a_new_history_and_leaves_no_word_where_there_is_none() -> None:
    state = asked()
    assert "stopping" not in freeze(state)["root"]
    stop(state)
    assert thaw(freeze(state)).root.stopping
