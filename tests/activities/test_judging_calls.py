"""Functions of the user about tool calls are asked with live objects and answered with plain data."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from temporalio.exceptions import ApplicationError

from perdure.agent import Agent
from perdure.contracts.steps import CallUserInput, CallUserOutput, FunctionResult
from perdure.roles import Role
from perdure.run_config import RunConfig
from perdure.tool import function_tool
from perdure.tool_errors import ToolErrorFormatterArgs
from perdure.tool_use import FunctionToolResult, ToolsToFinalOutputResult
from tests.activities.workbench import Workbench, output_item


class City(BaseModel):
    name: str


async def ask(bench: Workbench, role: Role, **more: Any) -> CallUserOutput:
    return await bench.do(f"call.{role}", CallUserInput(**bench.step(), role=role, **more))


def pay_by_rule(rule: Any) -> Agent[Any]:
    return Agent(
        name="A", tools=[function_tool(lambda amount: "", name_override="pay", needs_approval=rule, strict_mode=False)]
    )


async def test_an_approval_rule_gets_the_parsed_arguments() -> None:
    async def rule(context: Any, arguments: dict[str, Any], call_id: str) -> bool:
        context.context["asked"] = call_id
        return arguments["amount"] > 10

    bench = Workbench(pay_by_rule(rule), context={"asked": ""})
    said = [await ask(bench, "needs_approval", call=bench.call("pay", f'{{"amount": {n}}}')) for n in (5, 50)]
    assert [each.needs_approval for each in said] == [False, True]
    assert said[0].context_changes == {"asked": "call_1"}


@pytest.mark.parametrize("arguments", ["", "[]", "nonsense", '{"amount": NaN}'])
async def test_arguments_that_are_no_object_need_approval_and_the_rule_is_not_asked(arguments: str) -> None:
    bench = Workbench(pay_by_rule(lambda *_: False))
    assert (await ask(bench, "needs_approval", call=bench.call("pay", arguments))).needs_approval


async def test_a_rule_that_raises_ends_the_run_as_a_failed_tool_would() -> None:
    def rule(context: Any, arguments: Any, call_id: str) -> bool:
        raise ValueError("no idea")

    bench = Workbench(pay_by_rule(rule))
    with pytest.raises(ApplicationError, match="Error running tool pay: no idea") as raised:
        await ask(bench, "needs_approval", call=bench.call("pay"))
    assert raised.value.type == "UserError"


def formatted(formatter: Any) -> Workbench:
    return Workbench(Agent(name="A"), RunConfig(tool_error_formatter=formatter))


async def test_a_formatter_gets_the_default_text_and_the_call() -> None:
    def formatter(args: ToolErrorFormatterArgs[Any]) -> str:
        return f"{args.kind}: {args.default_message} ({args.tool_name}, {args.call_id})"

    bench = formatted(formatter)
    said = await ask(bench, "tool_error_formatter", call=bench.call("pay"), error="No.", error_kind="tool_not_found")
    assert said.text == "tool_not_found: No. (pay, call_1)"


@pytest.mark.parametrize("answer", [None, 7, ValueError("broken")])
async def test_a_formatter_without_a_text_leaves_the_default(answer: Any) -> None:
    async def formatter(args: ToolErrorFormatterArgs[Any]) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    bench = formatted(formatter)
    said = await ask(bench, "tool_error_formatter", call=bench.call("pay"), error="No.", error_kind="approval_rejected")
    assert said.text is None


async def chosen(value: Any, output_type: Any = None) -> Any:
    def behavior(context: Any, results: list[FunctionToolResult]) -> ToolsToFinalOutputResult:
        return ToolsToFinalOutputResult(is_final_output=True, final_output=value)

    bench = Workbench(Agent(name="A", tool_use_behavior=behavior, output_type=output_type))
    return (await ask(bench, "tool_use_behavior")).chosen


async def test_a_tool_use_function_sees_this_turns_results() -> None:
    seen: list[Any] = []

    def behavior(context: Any, results: list[FunctionToolResult]) -> ToolsToFinalOutputResult:
        seen.extend((each.tool.name, each.output, each.run_item.output if each.run_item else None) for each in results)
        return ToolsToFinalOutputResult(is_final_output=False)

    tools = [function_tool(lambda: "", name_override=name) for name in ("a", "b")]
    bench = Workbench(Agent(name="A", tools=[*tools], tool_use_behavior=behavior))
    results = [
        FunctionResult(tool="b", call_id="1.0", item=output_item("text")),
        FunctionResult(tool="a", call_id="1.1", item=output_item('{"n": 1}'), is_value=True),
    ]
    said = await ask(bench, "tool_use_behavior", results=results)
    assert seen == [("b", "text", "text"), ("a", {"n": 1}, {"n": 1})]
    assert said.chosen is not None
    assert not said.chosen.is_final


async def test_an_agent_that_answers_with_text_makes_text_of_a_tools_value() -> None:
    said = await chosen({"n": 1})
    assert (said.is_final, said.output.kind, said.output.text) == (True, "text", "{'n': 1}")


async def test_a_value_of_the_output_type_stays_of_that_type() -> None:
    said = await chosen(City(name="Rome"), City)
    assert (said.output.kind, said.output.text) == ("typed", '{"name":"Rome"}')


async def test_a_value_of_another_type_is_passed_on_unchecked() -> None:
    said = await chosen({"town": 1}, City)
    assert (said.output.kind, said.output.text) == ("value", '{"town":1}')


async def test_a_tool_use_function_that_raises_ends_the_run_with_that_very_exception() -> None:
    error = ValueError("mine")

    def behavior(context: Any, results: Any) -> ToolsToFinalOutputResult:
        raise error

    bench = Workbench(Agent(name="A", tool_use_behavior=behavior))
    with pytest.raises(ApplicationError, match="mine"):
        await ask(bench, "tool_use_behavior")
    assert bench.lent.errors == [error]
