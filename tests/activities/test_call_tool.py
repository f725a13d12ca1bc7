"""A tool call: hooks around the body, and an output that the model can read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from perdure.agent import Agent
from perdure.context import ToolContext
from perdure.contracts.steps import CallToolOutput
from perdure.errors import UserError
from perdure.hooks import AgentHooks, RunHooks
from perdure.tool import function_tool
from perdure.tool_output import ToolOutputImage, ToolOutputText
from tests.activities.workbench import Workbench


class Listening(RunHooks[Any]):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
        self.heard.append(("start", agent.name, tool.name, context.tool_call_id))

    async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> None:
        self.heard.append(("end", result))


@function_tool
def pair(n: int) -> dict[str, int]:
    """A pair."""
    return {"n": n}


@function_tool
def picture() -> list[Any]:
    """A picture with words."""
    return [ToolOutputText(text="look"), ToolOutputImage(image_url="https://example.com/a.png")]


@function_tool
def count(context: ToolContext[Any]) -> str:
    """Counts."""
    context.context["calls"] = context.context["calls"] + context.attempt
    return context.idempotency_key


def agent(*tools: Any, **more: Any) -> Agent[Any]:
    return Agent(name="A", tools=[*tools], **more)


async def call(bench: Workbench, name: str, arguments: str = "{}", **more: Any) -> CallToolOutput:
    return await bench.do(f"tool.{name}", bench.call(name, arguments, **more))


async def test_a_value_reaches_the_model_as_json() -> None:
    output = await call(Workbench(agent(pair)), "pair", '{"n": 2}')
    assert (json.loads(output.item["output"]), output.is_value) == ({"n": 2}, True)


async def test_images_and_texts_become_contents() -> None:
    output = await call(Workbench(agent(picture)), "picture")
    assert [part["type"] for part in output.item["output"]] == ["input_text", "input_image"]
    assert not output.is_value


async def test_what_a_tool_changes_in_the_context_goes_back() -> None:
    bench = Workbench(agent(count), context={"calls": 1, "other": 0})
    output = await call(bench, "count", idempotency_key="key")
    assert (output.context_changes, output.item["output"]) == ({"calls": 2}, "key")


async def test_hooks_hear_of_the_start_and_of_the_raw_result() -> None:
    hooks = Listening()
    await call(Workbench(agent(pair), hooks=hooks), "pair", '{"n": 2}')
    assert hooks.heard == [("start", "A", "pair", "call_1"), ("end", {"n": 2})]


async def test_the_end_is_not_told_where_output_guardrails_come_first() -> None:
    hooks = Listening()
    await call(Workbench(agent(pair), hooks=hooks), "pair", '{"n": 2}', end_hook=False)
    assert [event[0] for event in hooks.heard] == ["start"]


async def test_hooks_run_around_arguments_that_do_not_fit() -> None:
    hooks = Listening()
    output = await call(Workbench(agent(pair), hooks=hooks), "pair", "no json")
    assert [event[0] for event in hooks.heard] == ["start", "end"]
    assert hooks.heard[1][1] == output.item["output"]
    assert output.item["output"].startswith("An error occurred while running the tool.")


async def test_a_hook_that_raises_ends_the_run_as_a_failed_tool_would() -> None:
    class Own(AgentHooks[Any]):
        async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
            raise ValueError("not today")

    bench = Workbench(agent(pair, hooks=Own()))
    with pytest.raises(ApplicationError, match="Error running tool pair: not today") as raised:
        await call(bench, "pair", '{"n": 2}')
    assert (raised.value.type, raised.value.non_retryable) == ("UserError", True)
    assert isinstance(bench.lent.errors[0], UserError)
    assert isinstance(bench.lent.errors[0].__cause__, ValueError)


async def test_a_tool_with_another_definition_is_not_run() -> None:
    bench = Workbench(agent(pair))
    with pytest.raises(ApplicationError) as raised:
        await call(bench, "pair", '{"n": 2}', fingerprint="another")
    assert raised.value.type == "StepDeclined"


async def test_an_unknown_kind_of_step_is_refused() -> None:
    bench = Workbench(agent(pair))
    with pytest.raises(ApplicationError, match="No activity 'cook' is known"):
        await bench.do("cook", bench.call("pair"))
