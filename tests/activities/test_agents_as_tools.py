"""Functions of the user about agents as tools make inputs, outputs and the texts of failures."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from activities.agents_as_tools import rebuilt
from perdure import errors
from perdure.agent import Agent
from perdure.contracts.run import PageEntry, ResponseView
from perdure.contracts.steps import CallUserInput, CallUserOutput, Output, TranscriptName
from perdure.contracts.tokens import Tokens
from perdure.roles import Role
from tests.activities.workbench import ToldRun, Workbench, assistant, call_item, output_item, user


class Question(BaseModel):
    city: str


class City(BaseModel):
    name: str


def bench_of(run: ToldRun | None = None, output_type: Any = None, **options: Any) -> Workbench:
    inner = Agent[Any](name="Inner", output_type=output_type)
    outer = Agent[Any](name="A", tools=[inner.as_tool("ask", "Asks.", **options)])
    return Workbench(outer, context={"n": 0}, run=run or ToldRun())


async def ask(bench: Workbench, role: Role, arguments: str = '{"city": "Rome"}', **more: Any) -> CallUserOutput:
    call = bench.call("ask", arguments)
    return await bench.do(f"call.{role}", CallUserInput(**bench.step(), role=role, call=call, **more))


async def test_an_input_builder_gets_the_arguments_and_its_items_are_the_input() -> None:
    async def builder(options: Any) -> list[dict[str, Any]]:
        return [user(f"Where is {options['params']['city']}?")]

    built = (await ask(bench_of(parameters=Question, input_builder=builder), "input_builder")).built
    assert built is not None
    assert (built.items, built.is_text) == ([user("Where is Rome?")], False)
    assert built.tool_input == {"city": "Rome"}


async def test_arguments_that_do_not_fit_are_a_problem_and_no_failure() -> None:
    built = (await ask(bench_of(parameters=Question), "input_builder", '{"town": 1}')).built
    assert built is not None
    assert built.problem_type == "ModelBehaviorError"
    assert "city" in built.problem


async def test_a_failure_function_gets_the_failure_of_the_run() -> None:
    def failed(context: Any, error: Exception) -> str:
        context.context["n"] = 1
        return f"{type(error).__name__}: {error} in {context.tool_name}"

    bench = bench_of(failure_error_function=failed)
    said = await ask(bench, "failure_error_function", error="Max turns (2) exceeded", error_kind="MaxTurnsExceeded")
    assert said.text == "MaxTurnsExceeded: Max turns (2) exceeded in ask"
    assert said.context_changes == {"n": 1}


async def test_an_extractor_gets_the_result_of_the_agents_run() -> None:
    def extract(result: Any) -> Any:
        result.context_wrapper.context["n"] = len(result.new_items)
        kinds = [item.type for item in result.new_items]
        return {"city": result.final_output.name, "kinds": kinds, "answers": len(result.raw_responses)}

    entries = [
        PageEntry(item=user("Rome?"), kind="input", agent="Inner", turn=0),
        PageEntry(item=call_item("look"), kind="answer", agent="Inner", turn=1),
        PageEntry(item=output_item("found"), kind="output", agent="Inner", turn=1),
        PageEntry(item=assistant('{"name": "Rome"}'), kind="answer", agent="Inner", turn=2),
    ]
    answers = [
        ResponseView(turn=1, agent="Inner", first=1, count=1, usage=Tokens()),
        ResponseView(turn=2, agent="Inner", first=3, count=1, usage=Tokens()),
    ]
    bench = bench_of(ToldRun(entries, answers), City, custom_output_extractor=extract)
    name = TranscriptName(path="1.0", epoch=2, count=4)
    output = Output(kind="typed", text='{"name": "Rome"}')
    said = await ask(bench, "custom_output_extractor", output=output, transcript=name, path="1.0")
    assert said.output is not None
    assert said.output.kind == "value"
    assert '"kinds":["tool_call_item","tool_call_output_item","message_output_item"]' in said.output.text
    assert '"answers":2' in said.output.text
    assert said.context_changes == {"n": 3}
    assert [(asked.path, asked.epoch, asked.upto) for asked in bench.run.asked] == [("1.0", 2, 4)]


@pytest.mark.parametrize(
    "name", ["UserError", "MaxTurnsExceeded", "ToolTimeoutError", "InputGuardrailTripwireTriggered"]
)
def test_an_exception_of_the_sdk_is_rebuilt_with_its_text(name: str) -> None:
    error = rebuilt(name, "what happened")
    assert (type(error), str(error)) == (getattr(errors, name), "what happened")


def test_a_refusal_is_rebuilt_with_the_refusal() -> None:
    error = rebuilt("ModelRefusalError", "Model refused to produce output: no")
    assert isinstance(error, errors.ModelRefusalError)
    assert (error.refusal, str(error)) == ("no", "Model refused to produce output: no")


def test_an_exception_of_the_users_own_is_told_by_name() -> None:
    error = rebuilt("ShopClosed", "come back later")
    assert isinstance(error, errors.RunFailed)
    assert (error.type_name, str(error)) == ("ShopClosed", "ShopClosed: come back later")
