"""Tools that fail, time out, get bad arguments, or are stopped by their guardrails."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.conformance.answers import call
from tests.conformance.registry import scenario


class Broken(Exception):
    """What a tool raises."""


@scenario(
    "a tool that raises is told to the model", 57, final="done", requests=2,
    log=["run:tool_start A t", "tool t -", "run:tool_end A t"],
)  # fmt: skip
async def tool_raises(sdk: Any, bench: Any) -> Any:
    class Hooks(sdk.RunHooks):
        async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
            bench.log("run:tool_start", agent.name, tool.name)

        async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> None:
            bench.log("run:tool_end", agent.name, tool.name)

    bench.script(call("t"), "done")
    return await bench.run(bench.agent(tools=[bench.tool("t", error=Broken("no stock"))]), hooks=Hooks())


@scenario("a failure function of one's own", 57, final="done", log=["tool t -", "failed Broken no stock", "tool u -"])
async def failure_function(sdk: Any, bench: Any) -> Any:
    def sync_words(context: Any, error: Exception) -> str:
        bench.log("failed", type(error).__name__, error)
        return "sync words"

    async def async_words(context: Any, error: Exception) -> str:
        return f"async words about {error}"

    tools = [
        bench.tool("t", error=Broken("no stock"), failure_error_function=sync_words),
        bench.tool("u", error=Broken("no shop"), failure_error_function=async_words),
    ]
    bench.script(call("t"), call("u"), "done")
    return await bench.run(bench.agent(tools=tools))


@scenario("a failure without a failure function", 58, raises="UserError", log=["tool t -"], requests=1)
async def no_failure_function(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t", error=Broken("no stock"), failure_error_function=None)]))


@scenario("the cause of a failure without a failure function", 58)
async def cause(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    tool = bench.tool("t", error=Broken("no stock"), failure_error_function=None)
    error = await bench.raised(bench.run(bench.agent(tools=[tool])))
    bench.expect(lambda: isinstance(error.__cause__, Broken))
    return [error, type(error.__cause__).__name__, str(error.__cause__)]


@scenario("an exception of the SDK in a tool without a failure function", 58, raises="ModelBehaviorError")
async def sdk_error_in_tool(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    error = sdk.ModelBehaviorError("said the tool")
    return await bench.run(bench.agent(tools=[bench.tool("t", error=error, failure_error_function=None)]))


@scenario("a fatal failure beside another tool", 59, raises="UserError", requests=1)
async def fatal_beside_another(sdk: Any, bench: Any) -> Any:
    async def bad() -> str:
        await asyncio.sleep(0.3)
        raise Broken("fatal")

    async def long() -> str:
        await asyncio.sleep(8)
        return "never"

    bench.script([call("long"), call("bad")], "never")
    tools = [bench.function(long), bench.function(bad, failure_error_function=None)]
    return await bench.run(bench.agent(tools=tools))


@scenario("two fatal failures at once", 60, raises="UserError")
async def two_fatal(sdk: Any, bench: Any) -> Any:
    bench.script([call("first"), call("second")], "never")
    tools = [bench.tool(name, error=Broken(name), failure_error_function=None) for name in ("first", "second")]
    error = await bench.raised(bench.run(bench.agent(tools=tools)))
    bench.expect(lambda: "first" in str(error))
    raise error


@scenario("a tool that is cancelled by itself", 60, final="done", requests=2)
async def cancels_itself(sdk: Any, bench: Any) -> Any:
    async def t() -> str:
        raise asyncio.CancelledError("by itself")

    bench.script(call("t"), "done")
    return await bench.run(bench.agent(tools=[bench.function(t)]))


@scenario("a tool start hook that raises", 61, raises="UserError", requests=1)
async def tool_start_hook_raises(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t")]), hooks=bench.run_hooks(error_in="tool_start"))


@scenario("a tool end hook that raises", 61, raises="UserError", requests=1)
async def tool_end_hook_raises(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    agent = bench.agent(tools=[bench.tool("t")], hooks=bench.agent_hooks(error_in="tool_end"))
    return await bench.run(agent)


@scenario("arguments that are not JSON", 62, 63, final="done", log=[])
async def bad_json(sdk: Any, bench: Any) -> Any:
    bench.script(call("t", _raw='{"text": '), "done")
    return await bench.run(bench.agent(tools=[bench.tool("t")]))


@scenario("arguments that are not JSON still pass hooks and guardrails", 62, final="done", requests=2)
async def bad_json_hooks(sdk: Any, bench: Any) -> Any:
    bench.script(call("t", _raw="no"), "done")
    tool = bench.tool("t", tool_input_guardrails=[bench.tool_input_guardrail()])
    result = await bench.run(bench.agent(tools=[tool]), hooks=bench.run_hooks())
    lines = " ".join(bench.log.lines)
    bench.expect(
        lambda: (
            "tool input guardrail before t no" in lines and "run:tool_start A t" in lines and "tool t -" not in lines
        )
    )
    return result


@scenario("arguments that do not fit the schema", 62, 63, final="done")
async def wrong_arguments(sdk: Any, bench: Any) -> Any:
    def add(a: int, b: int) -> str:
        bench.log("added")
        return str(a + b)

    bench.script([call("add", a="x", b=2), call("add", a=1)], "done")
    result = await bench.run(bench.agent(tools=[bench.function(add)]))
    bench.expect(lambda: bench.log.lines == [])
    return result


@scenario("bad arguments without a failure function", 62, raises="ModelBehaviorError", log=[])
async def bad_json_fatal(sdk: Any, bench: Any) -> Any:
    bench.script(call("t", _raw="["), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t", failure_error_function=None)]))


@scenario("no arguments at all", 62, final="done", log=["ran", "ran"])
async def empty_arguments(sdk: Any, bench: Any) -> Any:
    def t() -> str:
        bench.log("ran")
        return "ok"

    bench.script([call("t", _raw=""), call("t", _raw="{}")], "done")
    return await bench.run(bench.agent(tools=[bench.function(t)]))


@scenario("arguments that are no object", 62, final="done", log=[])
async def list_arguments(sdk: Any, bench: Any) -> Any:
    bench.script([call("t", _raw="[1]"), call("t", _raw='"x"')], "done")
    return await bench.run(bench.agent(tools=[bench.tool("t")]))


@scenario("a tool that takes too long", 64, final="done", log=["tool t -", "end Tool 't' timed out after 0.2 seconds."])
async def timeout(sdk: Any, bench: Any) -> Any:
    class Hooks(sdk.RunHooks):
        async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> None:
            bench.log("end", result)

    bench.script(call("t"), "done")
    return await bench.run(bench.agent(tools=[bench.tool("t", seconds=5, timeout=0.2)]), hooks=Hooks())


@scenario("a tool that takes too long, with words of one's own", 64, final="done", log=["tool t -"])
async def timeout_words(sdk: Any, bench: Any) -> Any:
    def words(context: Any, error: Exception) -> str:
        return f"too long: {type(error).__name__}"

    bench.script(call("t"), "done")
    return await bench.run(bench.agent(tools=[bench.tool("t", seconds=5, timeout=0.2, timeout_error_function=words)]))


@scenario("a tool that takes too long and ends the run", 64, raises="ToolTimeoutError", log=["tool t -"])
async def timeout_raises(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    tool = bench.tool("t", seconds=5, timeout=0.2, timeout_behavior="raise_exception")
    return await bench.run(bench.agent(tools=[tool]))


@scenario("a TimeoutError of the tool itself", 65, final="done")
async def own_timeout_error(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "done")
    return await bench.run(bench.agent(tools=[bench.tool("t", error=TimeoutError("mine"), timeout=5)]))


@scenario("timeouts that cannot be", 65)
async def bad_timeouts(sdk: Any, bench: Any) -> Any:
    async def slow() -> str:
        return ""

    def sync() -> str:
        return ""

    found = []
    for body, seconds in ((slow, 0), (slow, -1), (sync, 1)):
        try:
            found.append(type(sdk.function_tool(body, timeout=seconds)).__name__)
        except (ValueError, TypeError) as error:
            found.append(type(error).__name__)
    bench.expect(lambda: found == ["ValueError"] * 3)
    return found


@scenario(
    "a tool's input guardrail rejects", 66, final="done",
    log=['tool input guardrail first t {"text": "x"}', 'tool input guardrail second t {"text": "x"}'],
)  # fmt: skip
async def input_guardrail_rejects(sdk: Any, bench: Any) -> Any:
    class Hooks(sdk.RunHooks):
        async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
            bench.log("start")

    bench.script(call("t", text="x"), "done")
    guards = [
        bench.tool_input_guardrail(name="first"),
        bench.tool_input_guardrail("not today", name="second"),
        bench.tool_input_guardrail(name="third"),
    ]
    return await bench.run(bench.agent(tools=[bench.tool("t", tool_input_guardrails=guards)]), hooks=Hooks())


@scenario("a tool's input guardrail raises", 66, raises="ToolInputGuardrailTripwireTriggered", requests=1)
async def input_guardrail_raises(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    return await bench.run(
        bench.agent(tools=[bench.tool("t", tool_input_guardrails=[bench.tool_input_guardrail("raise")])])
    )


@scenario("a tool's output guardrail raises", 66, raises="ToolOutputGuardrailTripwireTriggered", requests=1)
async def output_guardrail_raises(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    guards = [bench.tool_output_guardrail("raise")]
    return await bench.run(bench.agent(tools=[bench.tool("t", tool_output_guardrails=guards)]))


@scenario("a tool's output guardrail rejects", 67, final="done")
async def output_guardrail_rejects(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "done")
    tool = bench.tool("t", "secret", tool_output_guardrails=[bench.tool_output_guardrail("nothing to see")])
    result = await bench.run(bench.agent(tools=[tool]), hooks=bench.run_hooks())
    bench.expect(lambda: "run:tool_end A t 'nothing to see'" in bench.log.lines)
    return result


@scenario("a tool's output guardrail sees the text of a failure", 67, final="done")
async def output_guardrail_of_failure(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "done")
    tool = bench.tool("t", error=Broken("x"), tool_output_guardrails=[bench.tool_output_guardrail("hidden")])
    result = await bench.run(bench.agent(tools=[tool]))
    bench.expect(lambda: len(bench.log.lines) == 2)
    return result


@scenario("a tool guardrail that fails", 66, raises="UserError")
async def tool_guardrail_fails(sdk: Any, bench: Any) -> Any:
    def check(data: Any) -> Any:
        raise Broken("the guardrail")

    guard = sdk.ToolInputGuardrail(guardrail_function=check, name="bad")
    bench.script(call("t"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t", tool_input_guardrails=[guard])]))
