"""What goes wrong around a tool, in combination: arguments, failure functions, timeouts, guardrails, siblings."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.conformance.answers import call, say, transfer
from tests.conformance.registry import scenario

TELL = {"tool_not_found_behavior": "return_error_to_model"}


class Broken(Exception):
    """What a tool raises."""


@scenario("arguments of all kinds", 62, 63, ordered=False)
async def arguments(sdk: Any, bench: Any) -> Any:
    texts = [
        '{"text": NaN}', '{"text": "x", "more": 1}', "null", "7", '{"text": "a", "text": "b"}', "  ", "\ufeff{}",
        '{"text": "x"} more', '{"text": 7}', '{"text": null}', "{}", '{"text": {"a": 1}}',
    ]  # fmt: skip
    runs = []
    for mercy, more in (("with", {}), ("without", {"failure_error_function": None})):
        for place, text in enumerate(texts):
            model = bench.lane(f"{mercy}{place}", call("t", _raw=text), "done")
            runs.append(bench.run(bench.agent(model=model, tools=[bench.tool("t", **more)])))
    found = await bench.all_ended(runs)
    bench.expect(lambda: sorted(bench.log.lines) == sorted(["tool t x", "tool t b", "tool t -"] * 2))
    return found


@scenario("what failure functions return", 57)
async def failure_functions(sdk: Any, bench: Any) -> Any:
    def words(value: Any) -> Any:
        return lambda context, error: value

    found = []
    for place, value in enumerate((None, 7, {"a": 1}, "")):
        model = bench.lane(f"lane{place}", call("t"), "done")
        tool = bench.tool("t", error=Broken("x"), failure_error_function=words(value))
        found.append(await bench.ended(bench.run(bench.agent(model=model, tools=[tool]), hooks=bench.run_hooks())))
    bench.expect(lambda: isinstance(found[0], sdk.UserError) and found[1].final_output == "done")
    return found


@scenario("a failure function without words for an agent as a tool", 57, raises="ModelBehaviorError", requests=2)
async def no_words_for_agent(sdk: Any, bench: Any) -> Any:
    inner = bench.lane("inner", call("unknown"))
    bench.script(call("ask", input="x"), "never")
    tool = bench.agent("I", model=inner).as_tool("ask", "Ask.", failure_error_function=lambda context, error: None)
    return await bench.run(bench.agent(tools=[tool]))


@scenario("a failure function that raises", 57)
async def failure_function_raises(sdk: Any, bench: Any) -> Any:
    def mine(context: Any, error: Exception) -> str:
        raise Broken("in the failure function")

    def of_the_sdk(context: Any, error: Exception) -> str:
        raise sdk.ModelBehaviorError("in the failure function")

    found = []
    for name, function in (("mine", mine), ("sdk", of_the_sdk), ("arity", lambda context: "x")):
        model = bench.lane(name, call("t"), "never")
        tool = bench.tool("t", error=ValueError("x"), failure_error_function=function)
        error = await bench.raised(bench.run(bench.agent(model=model, tools=[tool])))
        found += [error, type(error.__cause__).__name__]
    bench.expect(
        lambda: [type(each).__name__ for each in found[::2]] == ["UserError", "ModelBehaviorError", "UserError"]
    )
    return found


@scenario("the run's formatter words a failure", 57, final="done", log=["tool t -", "tool_exception t c1 Broken"])
async def formatted_failure(sdk: Any, bench: Any) -> Any:
    async def words(args: Any) -> str:
        bench.log(args.kind, args.tool_name, args.call_id, type(args.error).__name__)
        return f"{args.tool_type} failed"

    bench.script(call("t", "c1"), "done")
    result = await bench.run(
        bench.agent(tools=[bench.tool("t", error=Broken("x"))]), config={"tool_error_formatter": words}
    )
    bench.expect(lambda: "function failed" in str(bench.bodies()[1]["input"]))
    return result


@scenario("the run's formatter words bad arguments", 57, 62, final="done", log=["ModelBehaviorError"])
async def formatted_arguments(sdk: Any, bench: Any) -> Any:
    def words(args: Any) -> str:
        bench.log(type(args.error).__name__)
        return "say that again"

    bench.script(call("t", _raw="{"), "done")
    return await bench.run(bench.agent(tools=[bench.tool("t")]), config={"tool_error_formatter": words})


@scenario("a formatter that fails, or is not asked", 54, 57, final="done", ordered=False)
async def formatter_fails(sdk: Any, bench: Any) -> Any:
    def words(args: Any) -> Any:
        bench.log(args.kind, args.call_id)
        if args.call_id in ("c1", "c3"):
            raise Broken("no words")
        return None if args.call_id == "c2" else 7

    own = bench.tool("own", error=Broken("x"), failure_error_function=lambda context, error: "own words")
    bench.script(
        [call("t", "c1"), call("t", "c2"), call("unknown", "c3"), call("unknown", "c4"), call("own", "c5")], "done"
    )
    tools = [bench.tool("t", error=Broken("x")), own]
    result = await bench.run(bench.agent(tools=tools), config={**TELL, "tool_error_formatter": words})
    bench.expect(lambda: "tool_not_found c4" in bench.log.lines and "tool_exception c5" not in bench.log.lines)
    return result


@scenario("exceptions of the SDK in tools", 57, 58, raises="MaxTurnsExceeded", log=["tool t -", "tool u -"])
async def sdk_errors(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), call("u"), "never")
    soft = bench.tool("t", error=sdk.UserError("mine"))
    hard = bench.tool("u", error=sdk.MaxTurnsExceeded("no"), failure_error_function=None)
    handlers = {"max_turns": lambda data: "not asked: it is the tool's own"}
    return await bench.run(bench.agent(tools=[soft, hard]), error_handlers=handlers)


@scenario("the first of several failing siblings", 57, 59, 60, raises="UserError", requests=1)
async def failing_siblings(sdk: Any, bench: Any) -> Any:
    bench.script([call("ok"), call("soft"), call("later"), call("first")], "never")
    tools = [
        bench.tool("ok"),
        bench.tool("soft", error=Broken("soft")),
        bench.tool("later", error=Broken("later"), failure_error_function=None, seconds=0.9),
        bench.tool("first", error=Broken("first"), failure_error_function=None, seconds=0.2),
    ]
    error = await bench.raised(bench.run(bench.agent(tools=tools)))
    bench.expect(lambda: str(error) == "Error running tool first: first")
    raise error


@scenario("a hook that fails beside a slow sibling", 59, 61, raises="UserError", log=["tool slow -"])
async def hook_beside_sibling(sdk: Any, bench: Any) -> Any:
    class Hooks(sdk.RunHooks):
        async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
            if tool.name == "bad":
                await asyncio.sleep(0.3)
                raise Broken("hook")

    bench.script([call("slow"), call("bad")], "never")
    return await bench.run(bench.agent(tools=[bench.tool("slow", seconds=8), bench.tool("bad")]), hooks=Hooks())


@scenario("timeouts and their functions", 64)
async def timeouts(sdk: Any, bench: Any) -> Any:
    async def later(context: Any, error: Exception) -> str:
        return f"late: {error}"

    def raising(context: Any, error: Exception) -> str:
        raise Broken("no words")

    kinds: dict[str, dict[str, Any]] = {
        "async": {"timeout_error_function": later},
        "raising": {"timeout_error_function": raising},
        "no mercy": {"failure_error_function": None},
        "failure function": {"failure_error_function": lambda context, error: "not asked"},
    }
    runs = []
    for name, more in kinds.items():
        model = bench.lane(name, call("t"), "done")
        tool = bench.tool("t", seconds=8, timeout=0.2, **more)
        runs.append(bench.run(bench.agent(model=model, tools=[tool])))
    found = await bench.all_ended(runs)
    bench.expect(lambda: isinstance(found[1], sdk.UserError) and found[3].final_output == "done")
    return found


@scenario("a timeout that ends the run beside a slow sibling", 59, 64, raises="ToolTimeoutError", requests=1)
async def fatal_timeout(sdk: Any, bench: Any) -> Any:
    bench.script([call("slow"), call("t")], "never")
    hard = bench.tool("t", seconds=8, timeout=0.3, timeout_behavior="raise_exception")
    return await bench.run(bench.agent(tools=[bench.tool("slow", seconds=8), hard]))


@scenario("a tool that returns when its time is over", 64, final="done", requests=2)
async def returns_late(sdk: Any, bench: Any) -> Any:
    async def t() -> str:
        try:
            await asyncio.sleep(8)
        except asyncio.CancelledError:
            return "late"
        return "never"

    bench.script(call("t"), "done")
    result = await bench.run(bench.agent(tools=[bench.function(t, timeout=0.2)]))
    bench.expect(lambda: "late" in str(bench.bodies()[1]["input"]))
    return result


@scenario("guardrails that reject beside each other", 66, 67, final="done", requests=2, ordered=False)
async def rejecting_guardrails(sdk: Any, bench: Any) -> Any:
    bench.script([call("t"), call("u")], "done")
    before, after = bench.tool_input_guardrail("no"), bench.tool_output_guardrail("redacted")
    both = [bench.tool_output_guardrail("one", name="first"), bench.tool_output_guardrail("two", name="second")]
    first = bench.tool("t", tool_input_guardrails=[before], tool_output_guardrails=[after])
    return await bench.run(
        bench.agent(tools=[first, bench.tool("u", tool_output_guardrails=both)]), hooks=bench.run_hooks()
    )


@scenario("tool guardrails that cannot be", 66)
async def bad_tool_guardrails(sdk: Any, bench: Any) -> Any:
    def raising(data: Any) -> Any:
        raise sdk.ModelBehaviorError("from the guardrail")

    found = []
    for place, function in enumerate((raising, "no function")):
        model = bench.lane(f"lane{place}", call("t"), "never")
        guard = sdk.ToolInputGuardrail(guardrail_function=function, name="bad")
        agent = bench.agent(model=model, tools=[bench.tool("t", tool_input_guardrails=[guard])])
        found.append(await bench.ended(bench.run(agent)))
    bench.expect(lambda: [type(each).__name__ for each in found] == ["ModelBehaviorError", "UserError"])
    return found


@scenario("the output of bad arguments is reviewed and ends the run", 62, 67, 98, final="hidden", requests=1)
async def reviewed_failure_ends(sdk: Any, bench: Any) -> Any:
    bench.script([say("x"), call("t", _raw="{")], "never")
    tool = bench.tool("t", tool_output_guardrails=[bench.tool_output_guardrail("hidden")])
    return await bench.run(bench.agent(tools=[tool], tool_use_behavior="stop_on_first_tool"))


@scenario("a custom call and other calls of kinds that an agent lacks", 53, 55)
async def other_kinds(sdk: Any, bench: Any) -> Any:
    kinds: dict[str, dict[str, Any]] = {
        "custom_tool_call": {"name": "x", "input": "y"},
        "computer_call": {"action": {"type": "screenshot"}, "pending_safety_checks": []},
        "shell_call": {"action": {"commands": ["ls"], "timeout_ms": 1, "max_output_length": 1}},
        "local_shell_call": {"action": {"type": "exec", "command": ["ls"], "env": {}}},
        "apply_patch_call": {"operation": {"type": "delete_file", "path": "x"}},
    }
    found = []
    for kind, fields in kinds.items():
        model = bench.lane(kind, [{"type": kind, "call_id": "c1", "status": "completed", **fields}, call("t")], "never")
        found.append(await bench.ended(bench.run(bench.agent(model=model, tools=[bench.tool("t")]))))
    bench.expect(lambda: bench.log.lines == [] and all(isinstance(each, sdk.ModelBehaviorError) for each in found))
    return found


@scenario("calls queue up beside a wait and a handoff", 45, 69, 109, final="from B", requests=2)
async def queue_beside_wait(sdk: Any, bench: Any) -> Any:
    bench.script([call("a"), call("c"), call("b"), transfer("B")], "from B")
    tools = [bench.tool("a", seconds=0.2), bench.tool("b", needs_approval=True), bench.tool("c", seconds=0.2)]
    agent = bench.agent(tools=tools, handoffs=[bench.agent("B")])
    limit = {"tool_execution": sdk.ToolExecutionConfig(max_function_tool_concurrency=1)}
    return await bench.approve_all(agent, await bench.run(agent, config=limit), config=limit)


@scenario("a fatal failure in the second turn leaves the first", 3, 22, raises="UserError", requests=2)
async def second_turn_fails(sdk: Any, bench: Any) -> Any:
    bench.script([say("one"), call("t")], [say("two"), call("bad"), transfer("B")], "never")
    bad = bench.tool("bad", error=Broken("x"), failure_error_function=None)
    return await bench.run(bench.agent(tools=[bench.tool("t"), bad], handoffs=[bench.agent("B")]))
