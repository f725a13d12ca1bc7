"""Events that have a step of their own reach the hooks of the run and of the agent."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from temporalio.exceptions import ApplicationError

from perdure.agent import Agent
from perdure.contracts.steps import HookInput, HookOutput, Output
from perdure.contracts.tokens import Tokens
from perdure.hooks import AgentHooks, RunHooks
from perdure.tool import function_tool
from tests.activities.workbench import Workbench, cursor_of, user


class City(BaseModel):
    name: str


class Listening(RunHooks[Any]):
    def __init__(self, heard: list[Any]) -> None:
        self.heard = heard

    async def on_agent_start(self, context: Any, agent: Any) -> None:
        context.context["started"] = agent.name
        self.heard.append(("run start", [item["content"] for item in context.turn_input], context.usage.total_tokens))

    async def on_agent_end(self, context: Any, agent: Any, output: Any) -> None:
        self.heard.append(("run end", output))

    async def on_handoff(self, context: Any, from_agent: Any, to_agent: Any) -> None:
        self.heard.append(("run handoff", from_agent.name, to_agent.name))

    async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> None:
        self.heard.append(("run tool", tool.name, context.tool_arguments, result))


class Own(AgentHooks[Any]):
    def __init__(self, heard: list[Any]) -> None:
        self.heard = heard

    async def on_start(self, context: Any, agent: Any) -> None:
        self.heard.append(("agent start", agent.name))

    async def on_handoff(self, context: Any, agent: Any, source: Any) -> None:
        self.heard.append(("agent handoff", source.name, agent.name))


def bench_of(heard: list[Any], **agent: Any) -> Workbench:
    return Workbench(Agent(name="A", hooks=Own(heard), **agent), context={"started": ""}, hooks=Listening(heard))


async def tell(bench: Workbench, event: str, **more: Any) -> HookOutput:
    return await bench.do(f"hook.{event}", HookInput(**bench.step(usage=Tokens(input=3)), event=event, **more))


async def test_the_start_of_an_agent_is_told_with_the_turns_input() -> None:
    heard: list[Any] = []
    cursor, items = cursor_of([user("hi")])
    output = await tell(bench_of(heard), "on_agent_start", cursor=cursor, items=items)
    assert heard == [("run start", ["hi"], 3), ("agent start", "A")]
    assert output.context_changes == {"started": "A"}


async def test_the_end_of_an_agent_is_told_with_the_parsed_output() -> None:
    heard: list[Any] = []
    await tell(bench_of(heard, output_type=City), "on_agent_end", output=Output(kind="typed", text='{"name": "Rome"}'))
    assert heard == [("run end", City(name="Rome"))]


async def test_a_handoff_is_told_to_the_hooks_of_the_agent_that_hands_over() -> None:
    heard: list[Any] = []
    other = Agent[Any](name="B", hooks=Own([]))
    await tell(bench_of(heard, handoffs=[other]), "on_handoff", other="B")
    assert heard == [("run handoff", "A", "B"), ("agent handoff", "A", "B")]


async def test_the_end_of_a_tool_is_told_with_the_call_and_its_output() -> None:
    heard: list[Any] = []
    bench = bench_of(heard, tools=[function_tool(lambda: "", name_override="t")])
    await tell(bench, "on_tool_end", call=bench.call("t", "{}"), output=Output(text="done"))
    assert heard == [("run tool", "t", "{}", "done")]


async def test_what_a_hook_raises_ends_the_run_with_that_very_exception() -> None:
    error = KeyError("mine")

    class Broken(RunHooks[Any]):
        async def on_agent_start(self, context: Any, agent: Any) -> None:
            raise error

    bench = Workbench(Agent(name="A"), hooks=Broken())
    with pytest.raises(ApplicationError) as raised:
        await tell(bench, "on_agent_start")
    assert (raised.value.type, bench.lent.errors) == ("KeyError", [error])


async def test_an_agent_as_a_tool_has_the_hooks_that_the_tool_was_given() -> None:
    heard: list[Any] = []
    inner = Agent[Any](name="Inner")
    outer = Agent[Any](name="A", tools=[inner.as_tool("inner", "", hooks=Listening(heard))])
    bench = Workbench(outer, context={"started": ""}, hooks=Listening([]))
    step = bench.step(agent="Inner", path="1.0", opened_by=("A", "inner"))
    await bench.do("hook.on_agent_end", HookInput(**step, event="on_agent_end", output=Output(text="x")))
    assert heard == [("run end", "x")]
