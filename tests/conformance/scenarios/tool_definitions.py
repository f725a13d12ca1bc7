"""Tools as they are defined, and as the model sees them."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal

from pydantic import BaseModel, Field

from tests.conformance.answers import call
from tests.conformance.registry import scenario


class Address(BaseModel):
    street: str = Field(description="With the number.")
    city: str | None = None


@scenario("the schema of a tool", 47, final="done", requests=1)
async def schemas(sdk: Any, bench: Any) -> Any:
    def order(count: int, unit: Literal["kg", "g"], address: Address, tags: list[str], note: str | None = None) -> str:
        """Order goods.

        More about it.

        Args:
            count: How many.
            unit: Which unit.
            address: Where to.
            tags: Words.
            note: A note.
        """
        return "ordered"

    def free(options: dict[str, int], *rest: str) -> str:
        return "free"

    bench.script("done")
    loose = bench.function(free, strict_mode=False)
    named = bench.function(order, name_override="o", description_override="Other words.", use_docstring_info=False)
    return await bench.run(bench.agent(tools=[bench.function(order), loose, named]))


@scenario("a tool made by hand", 47, final="done", log=['invoked {"a": 1} c1'])
async def tool_by_hand(sdk: Any, bench: Any) -> Any:
    async def invoke(context: Any, arguments: str) -> Any:
        bench.log("invoked", arguments, context.tool_call_id)
        return {"made": "by hand"}

    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    tool = sdk.FunctionTool(name="hand", description="By hand.", params_json_schema=schema, on_invoke_tool=invoke)
    bench.script(call("hand", "c1", a=1), "done")
    return await bench.run(bench.agent(tools=[tool]))


@scenario("switches that are no bools", 52, final="done", requests=1)
async def odd_switches(sdk: Any, bench: Any) -> Any:
    values = {"none": None, "text": "yes", "zero": 0, "one": 1}
    tools = [bench.tool(name, is_enabled=lambda context, agent, value=value: value) for name, value in values.items()]
    bench.script("done")
    result = await bench.run(bench.agent(tools=tools))
    bench.expect(lambda: [tool["name"] for tool in bench.bodies()[0]["tools"]] == ["text", "one"])
    return result


@scenario("two tools with one name of which a function chooses", 51, 52, final="done", log=["tool first"])
async def chosen_variant(sdk: Any, bench: Any) -> Any:
    def named(which: str) -> Any:
        def body() -> str:
            bench.log("tool", which)
            return which

        return sdk.function_tool(
            body, name_override="t", description_override=which, is_enabled=lambda context, agent: which == "first"
        )

    bench.script(call("t"), "done")
    return await bench.run(bench.agent(tools=[named("first"), named("second")]))


@scenario("a tool that is switched off before it runs", 52, raises="ModelBehaviorError", log=[])
async def off_before_it_runs(sdk: Any, bench: Any) -> Any:
    def enabled(context: Any, agent: Any) -> bool:
        return context.usage.requests == 0

    bench.script([call("t"), call("u")], "never")
    return await bench.run(bench.agent(tools=[bench.tool("u"), bench.tool("t", is_enabled=enabled)]))


@scenario("the same call twice in one response", 56, final="done", log=["tool t x"], requests=2)
async def same_call_in_one_response(sdk: Any, bench: Any) -> Any:
    bench.script([call("t", "c1", text="x"), call("t", "c1", text="x")], "done")
    return await bench.run(bench.agent(tools=[bench.tool("t")]))


@scenario("two calls with one id in one response", 56, raises="ModelBehaviorError", log=[])
async def same_id_in_one_response(sdk: Any, bench: Any) -> Any:
    bench.script([call("t", "c1", text="x"), call("t", "c1", text="y")], "done")
    return await bench.run(bench.agent(tools=[bench.tool("t")]))


@scenario("results of rare kinds", 50, final="done", ordered=False)
async def rare_results(sdk: Any, bench: Any) -> Any:
    address = Address(street="Way 1")
    values = [
        b"bytes", (1, 2), [address], {"a": address}, ["text", {"type": "text", "text": "y"}], float("nan"), [], "",
        [sdk.ToolOutputText(text="t"), "s"], {"type": "image", "image_url": "u"}, {"type": "input_text", "text": "z"},
        {"type": "file", "file_id": "f"}, {"type": "text"}, [sdk.ToolOutputText(text="a"), {"type": "image"}], 0,
    ]  # fmt: skip
    tools = [bench.tool(f"t{place}", value) for place, value in enumerate(values)]
    bench.script([call(tool.name) for tool in tools], "done")
    return await bench.run(bench.agent(tools=tools))


@scenario("a sync tool that blocks holds nobody up", 44, 47, final="done", log=["block", "quick", "blocked"])
async def blocking_tool(sdk: Any, bench: Any) -> Any:
    def block() -> str:
        bench.log("block")
        time.sleep(0.6)
        bench.log("blocked")
        return "b"

    async def quick() -> str:
        await asyncio.sleep(0.2)
        bench.log("quick")
        return "q"

    bench.script([call("block"), call("quick")], "done")
    return await bench.run(bench.agent(tools=[bench.function(block), bench.function(quick)]))


@scenario("tools that take keys out of the context", 131, 166, final="done", log=["['b', 'c']", "['c']"], requests=3)
async def keys_taken_out(sdk: Any, bench: Any) -> Any:
    def forget(ctx: Any) -> str:
        ctx.context.pop(min(ctx.context))
        ctx.context["c"] = 3
        bench.log(sorted(ctx.context))
        return "forgotten"

    bench.script(call("forget"), call("forget"), "done")
    context = {"a": 1, "b": 2}
    result = await bench.run(bench.agent(tools=[bench.function(forget)]), context=context)
    return [result, dict(result.context_wrapper.context), context]


@scenario("a key that is taken out after a wait", 131, 166, final="done", requests=3, killable=False)
async def key_taken_out_after_a_wait(sdk: Any, bench: Any) -> Any:
    def note(ctx: Any) -> str:
        ctx.context["noted"] = True
        return "noted"

    def forget(ctx: Any) -> str:
        del ctx.context["noted"]
        return "forgotten"

    bench.script(call("note"), call("forget"), "done")
    context = {"a": 1}
    agent = bench.agent(tools=[bench.function(note), bench.function(forget, needs_approval=True)])
    waiting = await bench.run(agent, context=context)
    noted = dict(context)
    result = await bench.approve_all(agent, waiting)
    return [noted, result, dict(result.context_wrapper.context), context]
