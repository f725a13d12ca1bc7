"""Calls of tools: which run, with what, in which order, and what the model is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from tests.conformance.answers import call, say, search, transfer
from tests.conformance.registry import scenario


class Address(BaseModel):
    street: str
    city: str | None = None


@dataclass
class Basket:
    items: list[str]


@scenario("outputs of parallel tools come in the order of the calls", 44, final="done")
async def call_order(sdk: Any, bench: Any) -> Any:
    bench.script([call("slow"), call("quick")], "done")
    result = await bench.run(bench.agent(tools=[bench.tool("slow", "s", seconds=0.5), bench.tool("quick", "q")]))
    bench.expect(
        lambda: bench.log.lines == ["tool slow -", "tool quick -", "tool slow slept"], "tools that run at once"
    )
    return result


@scenario("a limit on tools at once", 45, final="done", log=["tool t 1", "tool t slept", "tool t 2", "tool t slept"])
async def limited_concurrency(sdk: Any, bench: Any) -> Any:
    bench.script([call("t", text="1"), call("t", text="2")], "done")
    limit = sdk.ToolExecutionConfig(max_function_tool_concurrency=1)
    return await bench.run(bench.agent(tools=[bench.tool("t", seconds=0.2)]), config={"tool_execution": limit})


@scenario(
    "a limit on tools at once leaves queued calls unstarted after a failure", 45, raises="UserError", log=["tool bad -"]
)
async def limited_failure(sdk: Any, bench: Any) -> Any:
    bench.script([call("bad"), call("t")], "never")
    limit = sdk.ToolExecutionConfig(max_function_tool_concurrency=1)
    bad = bench.tool("bad", error=ValueError("x"), failure_error_function=None)
    return await bench.run(bench.agent(tools=[bad, bench.tool("t")]), config={"tool_execution": limit})


@scenario("sync tools and the run's context", 47, final="done", log=["add 1 2 Basket"])
async def sync_tool(sdk: Any, bench: Any) -> Any:
    def add(ctx: Any, a: int, b: int = 2) -> str:
        """Add two numbers.

        Args:
            a: The first one.
            b: The second one.
        """
        bench.log("add", a, b, type(ctx.context).__name__)
        return str(a + b)

    bench.script(call("add", a=1), "done")
    return await bench.run(bench.agent(tools=[bench.function(add)]), context=Basket(["x"]))


@scenario("what the context of a call shows", 48, final="done")
async def tool_context(sdk: Any, bench: Any) -> Any:
    def look(call_ctx: Any, text: str) -> str:
        bench.log(call_ctx.tool_name, call_ctx.tool_call_id, call_ctx.tool_arguments, call_ctx.agent.name)
        bench.log(call_ctx.usage.requests, call_ctx.usage.total_tokens, call_ctx.run_config is not None)
        return "seen"

    bench.script(call("look", "c1", text="x"), "done")
    result = await bench.run(bench.agent(tools=[bench.function(look)]))
    bench.expect(lambda: bench.log.lines == ['look c1 {"text": "x"} A', "1 15 True"])
    return result


@scenario(
    "the order around a tool", 49, final="done",
    log=['tool input guardrail before t {"text": "x"}', "run:tool_start A t", "agent:tool_start A t", "tool t x",
         "tool output guardrail after t {'n': 1}", "run:tool_end A t {'n': 1}", "agent:tool_end A t {'n': 1}"],
)  # fmt: skip
async def order_around_a_tool(sdk: Any, bench: Any) -> Any:
    class RunHooks(sdk.RunHooks):
        async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
            bench.log("run:tool_start", agent.name, tool.name)

        async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> None:
            bench.log("run:tool_end", agent.name, tool.name, repr(result))

    class AgentHooks(sdk.AgentHooks):
        async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
            bench.log("agent:tool_start", agent.name, tool.name)

        async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> None:
            bench.log("agent:tool_end", agent.name, tool.name, repr(result))

    bench.script(call("t", text="x"), "done")
    before, after = bench.tool_input_guardrail(), bench.tool_output_guardrail()
    tool = bench.tool("t", {"n": 1}, tool_input_guardrails=[before], tool_output_guardrails=[after])
    return await bench.run(bench.agent(tools=[tool], hooks=AgentHooks()), hooks=RunHooks())


@scenario("how results reach the model", 50, final="done", ordered=False)
async def conversions(sdk: Any, bench: Any) -> Any:
    values = ["text", 7, 1.5, True, None, {"a": [1, None]}, ["x", 2], {"type": "text", "text": "typed"}]
    tools = [bench.tool(f"t{place}", value) for place, value in enumerate(values)]
    bench.script([call(tool.name) for tool in tools], "done")
    return await bench.run(bench.agent(tools=tools))


@scenario("images, files and texts as results", 50, final="done")
async def structured_results(sdk: Any, bench: Any) -> Any:
    image = sdk.ToolOutputImage(image_url="https://example.org/a.png", detail="low")
    file = sdk.ToolOutputFileContent(file_id="file_1")
    text = sdk.ToolOutputText(text="words")
    tools = [bench.tool("one", image), bench.tool("more", [text, file]), bench.tool("text", text)]
    bench.script([call(tool.name) for tool in tools], "done")
    return await bench.run(bench.agent(tools=tools))


@scenario("a pydantic object as a result", 50, final="done")
async def object_result(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "done")
    return await bench.run(bench.agent(tools=[bench.tool("t", Address(street="Way 1"))]))


@scenario("two tools with one name", 51, final="done", log=["tool t second"], killable=False)
async def duplicate_names(sdk: Any, bench: Any) -> Any:
    def named(which: str) -> Any:
        def body() -> str:
            bench.log("tool t", which)
            return which

        return sdk.function_tool(body, name_override="t", description_override=which)

    bench.script(call("t"), "done")
    return await bench.run(bench.agent(tools=[named("first"), named("second")]))


@scenario("two tools with one name, where that is an error", 51, raises="UserError", requests=0)
async def duplicate_names_refused(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    tools = [bench.tool("t", "first"), bench.tool("t", "second")]
    return await bench.run(bench.agent(tools=tools), config={"tool_name_collision_policy": "error"})


@scenario("a handoff beats a tool with its name", 51, final="from B", log=[])
async def handoff_beats_tool(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "from B")
    return await bench.run(bench.agent(tools=[bench.tool("transfer_to_b")], handoffs=[bench.agent("B")]))


@scenario("a tool that is added during the run", 52, final="done", log=["added", "tool later -"], killable=False)
async def added_tool(sdk: Any, bench: Any) -> Any:
    def add() -> str:
        bench.log("added")
        agent.tools.append(bench.tool("later"))
        return "added"

    bench.script(call("add"), call("later"), "done")
    agent = bench.agent(tools=[bench.function(add)])
    return await bench.run(agent)


@scenario("tools that are switched off are unknown to the model", 52, final="done")
async def disabled_tools(sdk: Any, bench: Any) -> Any:
    async def off(context: Any, agent: Any) -> bool:
        return agent.name == "somebody else"

    def on(context: Any, agent: Any) -> bool:
        return context.context is None

    bench.script("done")
    tools = [bench.tool("a", is_enabled=False), bench.tool("b", is_enabled=off), bench.tool("c", is_enabled=on)]
    result = await bench.run(bench.agent(tools=tools))
    bench.expect(lambda: [tool["name"] for tool in bench.bodies()[0]["tools"]] == ["c"])
    return result


@scenario("a call of a tool that is switched off", 52, raises="ModelBehaviorError", log=[])
async def disabled_tool_called(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t", is_enabled=False)]))


@scenario("a tool that is switched on in the second turn", 52, final="done", log=["tool first -", "tool second -"])
async def enabled_later(sdk: Any, bench: Any) -> Any:
    def later(context: Any, agent: Any) -> bool:
        return context.usage.requests >= 1

    bench.script(call("first"), call("second"), "done")
    return await bench.run(bench.agent(tools=[bench.tool("first"), bench.tool("second", is_enabled=later)]))


@scenario("an unknown tool", 53, raises="ModelBehaviorError", log=[], requests=1)
async def unknown_tool(sdk: Any, bench: Any) -> Any:
    bench.script([call("t"), call("unknown")], "never")
    return await bench.run(bench.agent(tools=[bench.tool("t")]))


@scenario("an unknown handoff", 53, 76, raises="ModelBehaviorError", requests=1)
async def unknown_handoff(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("Nobody"), "never")
    return await bench.run(bench.agent(handoffs=[bench.agent("B")]))


@scenario("an unknown tool that the model is told about", 54, final="done", log=["tool t -"], requests=2)
async def unknown_tool_told(sdk: Any, bench: Any) -> Any:
    bench.script([call("unknown"), call("t")], "done")
    tools = [bench.tool("t")]
    return await bench.run(bench.agent(tools=tools), config={"tool_not_found_behavior": "return_error_to_model"})


@scenario("an unknown tool never ends the run", 54, final="done", requests=2)
async def unknown_tool_is_not_final(sdk: Any, bench: Any) -> Any:
    bench.script(call("unknown"), "done")
    agent = bench.agent(tools=[bench.tool("t")], tool_use_behavior="stop_on_first_tool")
    return await bench.run(agent, config={"tool_not_found_behavior": "return_error_to_model"})


@scenario("the formatter's words about an unknown tool", 54, final="done", log=["tool_not_found function unknown c1"])
async def unknown_tool_formatted(sdk: Any, bench: Any) -> Any:
    def words(args: Any) -> str:
        bench.log(args.kind, args.tool_type, args.tool_name, args.call_id)
        return f"Sorry: {args.default_message}"

    bench.script(call("unknown", "c1"), "done")
    config = {"tool_not_found_behavior": "return_error_to_model", "tool_error_formatter": words}
    return await bench.run(bench.agent(tools=[bench.tool("t")]), config=config)


@scenario("tools of the provider", 55, 88, final="found", requests=1)
async def hosted_tools(sdk: Any, bench: Any) -> Any:
    bench.script([search(), say("found")])
    tools = [
        sdk.WebSearchTool(search_context_size="low"),
        sdk.FileSearchTool(vector_store_ids=["vs_1"], max_num_results=3),
        sdk.CodeInterpreterTool(tool_config={"type": "code_interpreter", "container": {"type": "auto"}}),
    ]
    return await bench.run(bench.agent(tools=tools), hooks=bench.run_hooks())


@scenario("the same call again", 56, final="done", requests=3)
async def same_call_again(sdk: Any, bench: Any) -> Any:
    bench.script(call("t", "c1", text="x"), call("t", "c1", text="x"), "done")
    result = await bench.run(bench.agent(tools=[bench.tool("t")]))
    bench.expect(lambda: bench.log.lines == ["tool t x"], "a call that is not executed again")
    return result


@scenario("another call with the same id", 56, raises="ModelBehaviorError", log=["tool t x"])
async def other_call_with_same_id(sdk: Any, bench: Any) -> Any:
    bench.script(call("t", "c1", text="x"), call("t", "c1", text="y"), "done")
    return await bench.run(bench.agent(tools=[bench.tool("t")]))
