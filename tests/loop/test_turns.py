"""A run's way through turns, handoffs, guardrails and final outputs, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from perdure.agent import Agent
from perdure.guardrail import GuardrailFunctionOutput, input_guardrail, output_guardrail
from perdure.loop.records import Failure, Final
from perdure.loop.steps import CallModel, CallTool, CallUser, CheckGuardrail, Step, StepDeclined, StepFailed
from perdure.settings import RunConfig
from tests.loop.runs import (
    answer,
    answered,
    approve,
    call,
    message,
    open_run,
    passed,
    play,
    returned,
    steps,
    tool,
)


class Report(BaseModel):
    text: str


@input_guardrail
def beside(context: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
    raise AssertionError("the loop runs no code of the user")


@input_guardrail(run_in_parallel=False)
def before(context: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
    raise AssertionError("the loop runs no code of the user")


@output_guardrail
def after(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
    raise AssertionError("the loop runs no code of the user")


def test_a_message_ends_the_run() -> None:
    played = play(open_run(Agent(name="A")), {"A": [[message("bye")]]})
    assert (played.final, played.ids) == ("bye", ["model.1"])


def test_outputs_are_in_call_order_whatever_ends_first() -> None:
    state = open_run(Agent(name="A", tools=[tool("a"), tool("b")]))
    answer(state, steps(state)[0], answered(call("a"), call("b")))
    first, second = steps(state)
    assert isinstance(first, CallTool)
    assert isinstance(second, CallTool)
    answer(state, second, returned(state, second, "b says"))
    answer(state, first, returned(state, first, "a says"))
    said = [json.loads(entry.data) for entry in state.root.record.entries[-2:]]
    assert [item["output"] for item in said] == ["a says", "b says"]


def test_planning_twice_starts_nothing_twice() -> None:
    state = open_run(Agent(name="A"))
    assert steps(state) == steps(state)
    answer(state, steps(state)[0], StepDeclined("no such agent"))
    (again,) = steps(state)
    assert (again.id, again.delay_seconds) == ("model.1~1", 2.0)


def test_the_limit_is_passed_before_the_next_model_call() -> None:
    played = play(open_run(Agent(name="A", tools=[tool("a")]), max_turns=1), {"A": [[call("a")]]})
    assert played.failure == Failure("MaxTurnsExceeded", "Max turns (1) exceeded", kind="max_turns")


def test_an_unknown_tool_fails_the_run_and_none_of_its_siblings_runs() -> None:
    played = play(open_run(Agent(name="A", tools=[tool("a")])), {"A": [[call("a"), call("fly")]]})
    assert played.failure is not None
    assert played.failure.message == "Tool fly not found in agent A"
    assert played.ids == ["model.1"]


def test_an_unknown_tool_may_be_told_to_the_model() -> None:
    config = RunConfig(tool_not_found_behavior="return_error_to_model")
    state = open_run(Agent(name="A", tools=[tool("a")]), config)
    played = play(state, {"A": [[call("fly"), call("a")], [message("ok")]]})
    outputs = [item["output"] for item in played.requests[1] if item.get("type") == "function_call_output"]
    assert outputs == ["done", "Tool 'fly' not found."]


def test_a_handoff_comes_after_the_tools_of_its_response_and_others_are_ignored() -> None:
    b, c = Agent[Any](name="B"), Agent[Any](name="C")
    state = open_run(Agent(name="A", tools=[tool("a")], handoffs=[b, c]))
    turn = [call("transfer_to_b"), call("transfer_to_c"), call("a")]
    played = play(state, {"A": [turn], "B": [[message("from B")]]})
    outputs = [item["output"] for item in played.requests[1] if item.get("type") == "function_call_output"]
    assert outputs == ["done", "Multiple handoffs detected, ignoring this one.", '{"assistant": "B"}']
    assert (played.final, state.root.agent) == ("from B", "B")


def test_agents_may_hand_off_in_circles() -> None:
    a, b = Agent[Any](name="A"), Agent[Any](name="B")
    a.handoffs, b.handoffs = [b], [a]
    models = {"A": [[call("transfer_to_b")], [message("home")]], "B": [[call("transfer_to_a", call_id="2")]]}
    assert play(open_run(a), models).final == "home"


def test_two_agents_of_one_name_are_two() -> None:
    twins = [Agent[Any](name="B", handoff_description=str(number)) for number in range(2)]
    state = open_run(Agent(name="A", handoffs=twins))
    assert list(state.agents) == ["A", "B", "B#2"]


def test_blocking_guardrails_come_before_the_model_and_the_others_beside_it() -> None:
    state = open_run(Agent(name="A", input_guardrails=[beside, before]))
    (first,) = steps(state)
    assert first.id == "guardrail.input.agent.1"
    assert isinstance(first, CheckGuardrail)
    answer(state, first, passed(first))
    assert [step.id for step in steps(state)] == ["model.1", "guardrail.input.agent.0"]


@pytest.mark.parametrize("trips", [True, False])
def test_an_answer_is_held_until_the_guardrails_beside_it_have_passed(trips: bool) -> None:
    state = open_run(Agent(name="A", tools=[tool("a")], input_guardrails=[beside]))
    model, guardrail = steps(state)
    answer(state, model, answered(call("a")))
    assert [step.id for step in steps(state)] == ["guardrail.input.agent.0"]
    assert isinstance(guardrail, CheckGuardrail)
    answer(state, guardrail, passed(guardrail, "raise" if trips else "allow"))
    if trips:
        assert state.failure is not None
        assert state.failure.type == "InputGuardrailTripwireTriggered"
        assert len(state.root.record.entries) == 1
    else:
        assert [type(step) for step in steps(state)] == [CallTool]


def test_a_guardrail_that_fails_lets_nothing_through() -> None:
    state = open_run(Agent(name="A", input_guardrails=[before]))
    answer(state, steps(state)[0], StepFailed(Failure("ValueError", "broken")))
    assert state.failure == Failure("ValueError", "broken")


def test_an_output_guardrail_that_trips_takes_the_answer_back() -> None:
    def trip(step: Step) -> Any:
        return passed(step, "raise") if isinstance(step, CheckGuardrail) else None

    played = play(open_run(Agent(name="A", output_guardrails=[after])), {"A": [[message("bye")]]}, trip)
    assert played.failure is not None
    assert played.failure.type == "OutputGuardrailTripwireTriggered"


def test_a_typed_answer_without_text_is_not_final() -> None:
    played = play(open_run(Agent(name="A", output_type=Report)), {"A": [[], [message('{"text":"x"}')]]})
    assert played.final == '{"text":"x"}'
    assert played.state.root.final is not None
    assert played.state.root.final.kind == "typed"


def test_a_refusal_is_an_error_of_its_own() -> None:
    refusal = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}
    played = play(open_run(Agent(name="A")), {"A": [[refusal]]})
    assert played.failure is not None
    assert (played.failure.type, played.failure.kind) == ("ModelRefusalError", "model_refusal")


@pytest.mark.parametrize(
    ("behavior", "final"),
    [("run_llm_again", "again"), ("stop_on_first_tool", "done"), ({"stop_at_tool_names": ["b"]}, "again")],
)
def test_what_follows_a_tool(behavior: Any, final: str) -> None:
    agent = Agent[Any](name="A", tools=[tool("a"), tool("b")], tool_use_behavior=behavior)
    assert play(open_run(agent), {"A": [[call("a")], [message("again")]]}).final == final


def test_a_function_may_say_what_follows_a_tool() -> None:
    agent = Agent[Any](name="A", tools=[tool("a")], tool_use_behavior=lambda context, results: None)
    played = play(open_run(agent), {"A": [[call("a")], [message("again")]]})
    assert played.ids == ["model.1", "tool.1.0", "call.1.tool_use_behavior", "model.2"]


def test_what_ran_while_another_call_waited_may_end_the_run() -> None:
    tools = [tool("a"), tool("b", needs_approval=True)]
    state = open_run(Agent(name="A", tools=tools, tool_use_behavior="stop_on_first_tool"))
    answer(state, steps(state)[0], answered(call("a"), call("b")))
    (step,) = steps(state)
    assert isinstance(step, CallTool)
    answer(state, step, returned(state, step, "first"))
    approve(state, "1.1", yes=False)
    assert state.root.final == Final(text="first")


def test_the_outputs_of_unknown_tools_come_last() -> None:
    config = RunConfig(tool_not_found_behavior="return_error_to_model")
    played = play(open_run(Agent(name="A", tools=[tool("a")]), config), {"A": [[call("x"), call("a")], [message("y")]]})
    outputs = [json.loads(entry.data) for entry in played.state.root.record.entries if entry.kind == "output"]
    assert [output["output"] for output in outputs] == ["done", "Tool 'x' not found."]


def test_a_refusal_without_words_is_none() -> None:
    refusal = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": ""}]}
    assert play(open_run(Agent(name="A")), {"A": [[refusal]]}).final == ""


def test_no_more_tools_run_at_once_than_the_limit_allows() -> None:
    from perdure.run_config import ToolExecutionConfig

    config = RunConfig(tool_execution=ToolExecutionConfig(max_function_tool_concurrency=1))
    state = open_run(Agent(name="A", tools=[tool("a"), tool("b")]), config)
    answer(state, steps(state)[0], answered(call("a"), call("b")))
    assert [step.id for step in steps(state)] == ["tool.1.0"]


def test_a_handoffs_callback_is_a_step() -> None:
    from perdure.handoff import handoff

    b = Agent[Any](name="B")
    state = open_run(Agent(name="A", handoffs=[handoff(b, on_handoff=lambda context: None)]))
    answer(state, steps(state)[0], answered(call("transfer_to_b")))
    (step,) = steps(state)
    assert isinstance(step, CallUser)
    assert step.role == "on_handoff"
    assert not any(isinstance(each, CallModel) for each in steps(state))
