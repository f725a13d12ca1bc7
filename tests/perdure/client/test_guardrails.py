"""What guardrails said comes back with the caller's own guardrail objects."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.agent import Agent
from perdure.client.cast import Cast
from perdure.client.guardrails import guardrail_results, tripwire_triggered
from perdure.errors import (
    InputGuardrailTripwireTriggered,
    OutputGuardrailTripwireTriggered,
    ToolInputGuardrailTripwireTriggered,
    ToolOutputGuardrailTripwireTriggered,
    UserError,
)
from perdure.guardrail import GuardrailFunctionOutput, input_guardrail, output_guardrail
from perdure.settings import RunConfig
from perdure.tool import function_tool
from perdure.tool_guardrails import ToolGuardrailFunctionOutput, tool_input_guardrail, tool_output_guardrail
from tests.perdure.client.runs import lent_to, view


@input_guardrail
def asks(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(None, tripwire_triggered=False)


@output_guardrail
def answers(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(None, tripwire_triggered=False)


@tool_input_guardrail
def before(data: Any) -> ToolGuardrailFunctionOutput:
    return ToolGuardrailFunctionOutput.allow()


@tool_output_guardrail
def after(data: Any) -> ToolGuardrailFunctionOutput:
    return ToolGuardrailFunctionOutput.allow()


@function_tool(tool_input_guardrails=[before], tool_output_guardrails=[after])
def pay() -> str:
    return "paid"


AGENT: Agent[Any] = Agent(name="A", tools=[pay], input_guardrails=[asks], output_guardrails=[answers])
CONFIG = RunConfig(input_guardrails=[asks], output_guardrails=[answers])
CAST = Cast(AGENT, lent_to(AGENT, CONFIG))


@pytest.mark.parametrize("source", ["agent", "run"])
def test_an_input_guardrail_is_the_callers_own(source: str) -> None:
    (result,) = guardrail_results(CAST, [view("input", source=source, name="asks", output_info=[1])], None).input
    assert result.guardrail is asks
    assert (result.output.output_info, result.output.tripwire_triggered) == ([1], False)


@pytest.mark.parametrize("source", ["agent", "run"])
def test_an_output_guardrail_is_told_with_what_it_judged(source: str) -> None:
    (result,) = guardrail_results(CAST, [view("output", source=source, name="answers")], "done").output
    assert result.guardrail is answers
    assert (result.agent, result.agent_output) == (AGENT, "done")


def test_a_tools_guardrails_are_the_tools_own() -> None:
    of_tool = {"source": "tool", "tool": "pay", "call_id": "1.0"}
    views = [view("tool_input", name="before", **of_tool), view("tool_output", name="after", **of_tool)]
    results = guardrail_results(CAST, views, None)
    assert [result.guardrail for result in results.tool_input] == [before]
    assert [result.guardrail for result in results.tool_output] == [after]


def test_results_keep_the_order_in_which_the_guardrails_were_done() -> None:
    views = [view("input", name=name) for name in ("second", "first")]
    assert [result.guardrail.get_name() for result in guardrail_results(CAST, views, None).input] == ["second", "first"]


@pytest.mark.parametrize(
    ("behavior", "type"), [("allow", "allow"), ("reject", "reject_content"), ("raise", "raise_exception")]
)
def test_a_tools_guardrail_said_what_it_said(behavior: str, type: str) -> None:
    said = view("tool_input", source="tool", tool="pay", behavior=behavior, message="no")
    (result,) = guardrail_results(CAST, [said], None).tool_input
    assert result.output.behavior["type"] == type
    assert result.output.behavior.get("message") == ("no" if behavior == "reject" else None)


@pytest.mark.parametrize("kind", ["input", "output", "tool_input", "tool_output"])
async def test_a_guardrail_that_is_not_here_is_one_of_its_name(kind: str) -> None:
    results = guardrail_results(Cast(Agent(name="A")), [view(kind, name="elsewhere", tool="pay")], None)
    (result,) = [*results.input, *results.output, *results.tool_input, *results.tool_output]
    assert result.guardrail.get_name() == "elsewhere"
    with pytest.raises(UserError, match="in the process of the run's worker"):
        result.guardrail.guardrail_function()  # pyright: ignore[reportCallIssue]  whatever it is given


def test_a_guardrail_of_another_name_in_its_place_is_not_taken_for_it() -> None:
    (result,) = guardrail_results(CAST, [view("input", name="renamed")], None).input
    assert result.guardrail is not asks
    assert result.guardrail.get_name() == "renamed"


def test_the_exception_of_a_trip_has_the_guardrail_and_what_it_said() -> None:
    trip = tripwire_triggered(CAST, view("input", name="asks", behavior="raise", output_info="bad"), None)
    assert isinstance(trip, InputGuardrailTripwireTriggered)
    assert str(trip) == "Guardrail InputGuardrail triggered tripwire"
    assert trip.guardrail_result.guardrail is asks
    assert trip.guardrail_result.output == GuardrailFunctionOutput("bad", tripwire_triggered=True)


def test_each_kind_of_guardrail_has_its_exception() -> None:
    output = tripwire_triggered(CAST, view("output", name="answers", behavior="raise"), "said")
    assert isinstance(output, OutputGuardrailTripwireTriggered)
    assert output.guardrail_result.agent_output == "said"
    of_tool = {"source": "tool", "tool": "pay", "behavior": "raise", "output_info": 1}
    first = tripwire_triggered(CAST, view("tool_input", name="before", **of_tool), None)
    second = tripwire_triggered(CAST, view("tool_output", name="after", **of_tool), None)
    assert isinstance(first, ToolInputGuardrailTripwireTriggered)
    assert isinstance(second, ToolOutputGuardrailTripwireTriggered)
    assert (first.guardrail, second.guardrail, first.output.output_info) == (before, after, 1)
