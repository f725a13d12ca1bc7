"""What follows when tools were used."""

from __future__ import annotations

import re
from typing import Any

import pytest

from perdure.context import RunContextWrapper
from perdure.errors import UserError
from perdure.tool import function_tool
from perdure.tool_use import (
    FunctionToolResult,
    StopAtTools,
    ToolsToFinalOutputResult,
    ask_tool_use,
    validate_tool_use_behavior,
)

CONTEXT = RunContextWrapper[Any]({"user": 7})


def add(a: int) -> int:
    return a


RESULTS = [FunctionToolResult(function_tool(add), 4, None)]


def decide(context: RunContextWrapper[Any], results: list[FunctionToolResult]) -> ToolsToFinalOutputResult:
    return ToolsToFinalOutputResult(is_final_output=True, final_output=(context.context, results[0].output))


async def decide_later(context: RunContextWrapper[Any], results: list[FunctionToolResult]) -> ToolsToFinalOutputResult:
    return decide(context, results)


class Decider:
    async def __call__(self, context: Any, results: Any) -> ToolsToFinalOutputResult:
        return decide(context, results)


@pytest.mark.parametrize("function", [decide, decide_later, Decider()])
async def test_a_function_decides_by_context_and_results(function: Any) -> None:
    decision = await ask_tool_use(function, CONTEXT, RESULTS)

    assert decision == ToolsToFinalOutputResult(is_final_output=True, final_output=({"user": 7}, 4))


@pytest.mark.parametrize("said", [None, "x", {"is_final_output": True}, (True, "x")])
async def test_a_function_that_returns_no_decision_is_refused(said: Any) -> None:
    with pytest.raises(UserError, match="Return ToolsToFinalOutputResult"):
        await ask_tool_use(lambda context, results: said, CONTEXT, RESULTS)


async def test_what_a_function_raises_is_raised_unchanged() -> None:
    error = KeyError("mine")

    def fails(context: Any, results: Any) -> Any:
        raise error

    with pytest.raises(KeyError) as caught:
        await ask_tool_use(fails, CONTEXT, RESULTS)
    assert caught.value is error


@pytest.mark.parametrize(
    "behavior",
    ["run_llm_again", "stop_on_first_tool", StopAtTools(stop_at_tool_names=["add"]), decide, Decider()],
    ids=lambda value: re.sub(r" at 0x\w+", "", str(value)),  # addresses differ from worker to worker
)
def test_the_behaviors_of_the_agents_sdk_are_accepted(behavior: Any) -> None:
    assert validate_tool_use_behavior(behavior) is None


@pytest.mark.parametrize("behavior", [None, 5, "bogus", ["add"]], ids=str)
def test_what_is_no_behavior_is_a_type_error(behavior: Any) -> None:
    with pytest.raises(TypeError, match="got "):
        validate_tool_use_behavior(behavior)


@pytest.mark.parametrize(
    "behavior",
    [{}, {"stop_at": ["add"]}, {"stop_at_tool_names": "add"}, {"stop_at_tool_names": [add]}],
    ids=lambda value: re.sub(r" at 0x\w+", "", str(value)),  # addresses differ from worker to worker
)
def test_a_dict_that_names_no_tools_is_refused(behavior: Any) -> None:
    with pytest.raises(UserError, match=r'write .*"stop_at_tool_names"'):
        validate_tool_use_behavior(behavior)


def test_results_do_not_share_their_lists() -> None:
    first, second = (FunctionToolResult(function_tool(add), 1, None) for _ in range(2))

    assert first.interruptions == []
    assert first.interruptions is not second.interruptions
