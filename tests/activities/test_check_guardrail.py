"""Guardrails are asked with what they judge, and say what they say as plain data."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from temporalio.exceptions import ApplicationError

from activities.check_guardrail import portable_info
from perdure.agent import Agent
from perdure.contracts.steps import GuardrailInput, GuardrailOutput, Output
from perdure.guardrail import GuardrailFunctionOutput, input_guardrail, output_guardrail
from perdure.run_config import RunConfig
from perdure.tool import function_tool
from perdure.tool_guardrails import ToolGuardrailFunctionOutput, tool_input_guardrail, tool_output_guardrail
from tests.activities.workbench import Workbench, cursor_of, output_item, user


class City(BaseModel):
    name: str


@input_guardrail
def is_long(context: Any, agent: Agent[Any], input: Any) -> GuardrailFunctionOutput:
    context.context["asked"] = True
    return GuardrailFunctionOutput({"kind": type(input).__name__, "length": len(input)}, len(input) > 3)


@output_guardrail
async def is_rome(context: Any, agent: Agent[Any], output: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(repr(output), getattr(output, "name", output) == "Rome")


async def check(bench: Workbench, name: str, **more: Any) -> GuardrailOutput:
    fields: dict[str, Any] = {"source": "agent", "index": 0, "name": name, **more}
    return await bench.do(f"guardrail.{name}", GuardrailInput(**bench.step(), **fields))


async def test_an_input_given_as_text_is_judged_as_text() -> None:
    bench = Workbench(Agent(name="A", input_guardrails=[is_long]), context={"asked": False})
    cursor, items = cursor_of([user("hello")])
    said = await check(bench, "is_long", kind="input", cursor=cursor, items=items, input_is_text=True)
    assert (said.behavior, said.output_info) == ("raise", {"kind": "str", "length": 5})
    assert said.context_changes == {"asked": True}


async def test_an_input_given_as_items_is_judged_as_items() -> None:
    bench = Workbench(Agent(name="A", input_guardrails=[is_long]), context={})
    cursor, items = cursor_of([user("hello"), user("you")])
    said = await check(bench, "is_long", kind="input", cursor=cursor, items=items)
    assert (said.behavior, said.output_info) == ("allow", {"kind": "list", "length": 2})


async def test_a_guardrail_of_the_run_is_found_in_its_configuration() -> None:
    bench = Workbench(Agent(name="A"), RunConfig(output_guardrails=[is_rome]))
    said = await check(bench, "is_rome", kind="output", source="run", output=Output(text="Rome"))
    assert said.behavior == "raise"


async def test_an_output_guardrail_gets_the_parsed_output() -> None:
    bench = Workbench(Agent(name="A", output_type=City, output_guardrails=[is_rome]))
    output = Output(kind="typed", text='{"name": "Oslo"}')
    said = await check(bench, "is_rome", kind="output", output=output)
    assert (said.behavior, said.output_info) == ("allow", "City(name='Oslo')")


async def test_a_guardrail_that_this_worker_lacks_is_offered_to_another() -> None:
    bench = Workbench(Agent(name="A", output_guardrails=[is_rome]))
    for name, index in (("is_paris", 0), ("is_rome", 1)):
        with pytest.raises(ApplicationError) as raised:
            await check(bench, name, kind="output", index=index, output=Output(text="Rome"))
        assert raised.value.type == "StepDeclined"


async def test_what_a_guardrail_raises_ends_the_run_with_that_very_exception() -> None:
    error = ValueError("cannot judge")

    @output_guardrail
    def broken(context: Any, agent: Agent[Any], output: Any) -> GuardrailFunctionOutput:
        raise error

    bench = Workbench(Agent(name="A", output_guardrails=[broken]))
    with pytest.raises(ApplicationError, match="cannot judge") as raised:
        await check(bench, "broken", kind="output", output=Output(text="x"))
    assert (raised.value.type, bench.lent.errors) == ("ValueError", [error])


@tool_input_guardrail
def no_secrets(data: Any) -> ToolGuardrailFunctionOutput:
    if "secret" in data.context.tool_arguments:
        return ToolGuardrailFunctionOutput.reject_content("no secrets", {"tool": data.context.tool_name})
    return ToolGuardrailFunctionOutput.allow()


@tool_output_guardrail
def no_zero(data: Any) -> ToolGuardrailFunctionOutput:
    return ToolGuardrailFunctionOutput.raise_exception(data.output) if data.output["n"] == 0 else _allowed(data)


def _allowed(data: Any) -> ToolGuardrailFunctionOutput:
    return ToolGuardrailFunctionOutput.allow(data.agent.name)


guarded = function_tool(
    lambda n: {"n": n},
    name_override="guarded",
    tool_input_guardrails=[no_secrets],
    tool_output_guardrails=[no_zero],
    strict_mode=False,
)


async def test_a_tools_input_guardrail_may_answer_in_the_tools_place() -> None:
    bench = Workbench(Agent(name="A", tools=[guarded]))
    call = bench.call("guarded", '{"n": "secret"}')
    said = await check(bench, "no_secrets", kind="tool_input", source="tool", call=call)
    assert (said.behavior, said.message, said.output_info) == ("reject", "no secrets", {"tool": "guarded"})


async def test_a_tools_output_guardrail_gets_the_value_that_the_tool_returned() -> None:
    bench = Workbench(Agent(name="A", tools=[guarded]))
    call = bench.call("guarded")
    told = [
        await check(bench, "no_zero", kind="tool_output", source="tool", call=call, output=output)
        for output in (Output(kind="value", text='{"n": 0}'), Output(kind="value", item=output_item('{"n": 1}')))
    ]
    assert [(said.behavior, said.output_info) for said in told] == [("raise", {"n": 0}), ("allow", "A")]


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_information_of_any_kind_becomes_json() -> None:
    assert portable_info(City(name="Rome")) == {"name": "Rome"}
    assert portable_info({"at": object}) == {"at": "<class 'object'>"}
    assert portable_info(float("nan")) is None
    assert "Unspeakable" in portable_info(Unspeakable())


def test_long_information_is_cut_and_says_so() -> None:
    assert portable_info("x" * 100_000).endswith("[cut: more than 65536 bytes as JSON]")
