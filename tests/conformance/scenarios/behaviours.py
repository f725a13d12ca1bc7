"""What follows the tools of a turn: tool_use_behavior and reset_tool_choice."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import call, say, transfer
from tests.conformance.registry import scenario

STOP = "stop_on_first_tool"


@scenario("stop on the first tool", 94, final="1", log=["tool a -", "tool b -"], requests=1)
async def stop_on_first(sdk: Any, bench: Any) -> Any:
    bench.script([say("x"), call("a"), call("b")])
    return await bench.run(bench.agent(tools=[bench.tool("a", "1"), bench.tool("b", "2")], tool_use_behavior=STOP))


@scenario("stop on the first tool goes by call order, not by time", 94, final="slow", requests=1, ordered=False)
async def stop_by_call_order(sdk: Any, bench: Any) -> Any:
    bench.script([call("a"), call("b")])
    tools = [bench.tool("a", "slow", seconds=0.4), bench.tool("b", "quick")]
    return await bench.run(bench.agent(tools=tools, tool_use_behavior=STOP), hooks=bench.run_hooks())


@scenario("stop at named tools", 95, final="stopped", requests=2)
async def stop_at_names(sdk: Any, bench: Any) -> Any:
    bench.script(call("go"), [call("go"), call("stop"), call("stop", text="2")])
    behaviour = sdk.StopAtTools(stop_at_tool_names=["stop", "other"])
    return await bench.run(
        bench.agent(tools=[bench.tool("go"), bench.tool("stop", "stopped")], tool_use_behavior=behaviour)
    )


@scenario(
    "a behaviour that decides",
    96,
    final="sum 2",
    requests=2,
    log=["tool a -", "behaviour a=1", "tool a -", "tool b -", "behaviour a=1 b=2"],
)
async def behaviour_decides(sdk: Any, bench: Any) -> Any:
    def decide(context: Any, results: Any) -> Any:
        bench.log("behaviour", *(f"{one.tool.name}={one.output}" for one in results))
        final = len(results) == 2
        return sdk.ToolsToFinalOutputResult(
            is_final_output=final, final_output=f"sum {len(results)}" if final else None
        )

    bench.script(call("a"), [call("a"), call("b")])
    return await bench.run(bench.agent(tools=[bench.tool("a", 1), bench.tool("b", 2)], tool_use_behavior=decide))


@scenario("an async behaviour that declines", 96, final="done", requests=2)
async def behaviour_declines(sdk: Any, bench: Any) -> Any:
    async def decide(context: Any, results: Any) -> Any:
        bench.log("behaviour", context.usage.requests)
        return sdk.ToolsToFinalOutputResult(is_final_output=False)

    bench.script(call("a"), "done")
    return await bench.run(bench.agent(tools=[bench.tool("a")], tool_use_behavior=decide))


@scenario("a behaviour that is nothing known", 96, raises="UserError")
async def unknown_behaviour(sdk: Any, bench: Any) -> Any:
    bench.script(call("a"), "never")
    agent = bench.agent(tools=[bench.tool("a")])
    agent.tool_use_behavior = "whatever"
    return await bench.run(agent)


@scenario("a tool-made answer of a plain agent is text", 97, final="{'a': 1}", requests=1)
async def tool_made_text(sdk: Any, bench: Any) -> Any:
    bench.script(call("a"))
    return await bench.run(bench.agent(tools=[bench.tool("a", {"a": 1})], tool_use_behavior=STOP))


@scenario("a tool-made answer of a typed agent is not checked", 97, requests=1)
async def tool_made_typed(sdk: Any, bench: Any) -> Any:
    bench.script(call("a"))
    result = await bench.run(
        bench.agent(tools=[bench.tool("a", {"a": 1})], tool_use_behavior=STOP, output_type=list[int])
    )
    bench.expect(lambda: result.final_output == {"a": 1})
    return result


@scenario("the text of a failure is a tool-made answer", 98, requests=1)
async def failure_is_final(sdk: Any, bench: Any) -> Any:
    bench.script(call("a"))
    return await bench.run(bench.agent(tools=[bench.tool("a", error=ValueError("x"))], tool_use_behavior=STOP))


@scenario("a guardrail's rejection is a tool-made answer", 98, final="not now", requests=1)
async def rejection_is_final(sdk: Any, bench: Any) -> Any:
    bench.script(call("a"))
    tool = bench.tool("a", tool_input_guardrails=[bench.tool_input_guardrail("not now")])
    return await bench.run(bench.agent(tools=[tool], tool_use_behavior=STOP))


@scenario("a human's rejection is a tool-made answer", 98, 115, final="Tool execution was not approved.", requests=1)
async def human_rejection_is_final(sdk: Any, bench: Any) -> Any:
    bench.script(call("a"), "never")
    agent = bench.agent(tools=[bench.tool("a", needs_approval=True)], tool_use_behavior=STOP)
    result = await bench.run(agent)
    return await bench.resume(agent, result, lambda state: state.reject(result.interruptions[0]))


@scenario("a call that waits beats a tool that stops", 99, final=None, requests=1)
async def pause_beats_stop(sdk: Any, bench: Any) -> Any:
    bench.script([call("a"), call("b")])
    tools = [bench.tool("a", "1"), bench.tool("b", needs_approval=True)]
    return await bench.run(bench.agent(tools=tools, tool_use_behavior=STOP))


@scenario("after a wait the stop sees the first call of the response", 100, final="1", requests=1)
async def stop_after_pause(sdk: Any, bench: Any) -> Any:
    bench.script([call("a"), call("b")])
    tools = [bench.tool("a", "1"), bench.tool("b", "2", needs_approval=True)]
    agent = bench.agent(tools=tools, tool_use_behavior=STOP)
    return await bench.approve_all(agent, await bench.run(agent))


@scenario("tool choice is forgotten after a tool was used", 101, final="done", requests=3)
async def choice_reset(sdk: Any, bench: Any) -> Any:
    bench.script(call("a"), call("a", text="2"), "done")
    result = await bench.run(
        bench.agent(tools=[bench.tool("a")], model_settings=sdk.ModelSettings(tool_choice="required"))
    )
    bench.expect(lambda: [body.get("tool_choice") for body in bench.bodies()] == ["required", None, None])
    return result


@scenario("the run's tool choice is forgotten, too", 101, final="done", requests=2)
async def run_choice_reset(sdk: Any, bench: Any) -> Any:
    bench.script(call("a"), "done")
    result = await bench.run(
        bench.agent(tools=[bench.tool("a")]), config={"model_settings": sdk.ModelSettings(tool_choice="a")}
    )
    bench.expect(
        lambda: [body.get("tool_choice") for body in bench.bodies()] == [{"type": "function", "name": "a"}, None]
    )
    return result


@scenario("tool choice without any use of tools stays", 101, final="done", requests=1)
async def choice_stays(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    return await bench.run(bench.agent(tools=[bench.tool("a")], model_settings=sdk.ModelSettings(tool_choice="none")))


@scenario("a handoff counts as use, the next agent keeps its choice", 102, final="done", requests=4)
async def choice_per_agent(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), call("a"), transfer("A"), "done")
    required = sdk.ModelSettings(tool_choice="required")
    first = bench.agent(model_settings=required)
    second = bench.agent("B", tools=[bench.tool("a")], handoffs=[first], model_settings=required)
    first.handoffs = [second]
    result = await bench.run(first)
    bench.expect(lambda: [body.get("tool_choice") for body in bench.bodies()] == ["required", "required", None, None])
    return result


@scenario("the forgotten choice survives a wait", 102, final="done", requests=2)
async def choice_after_pause(sdk: Any, bench: Any) -> Any:
    bench.script(call("a"), "done")
    tools = [bench.tool("a", needs_approval=True)]
    agent = bench.agent(tools=tools, model_settings=sdk.ModelSettings(tool_choice="required"))
    return await bench.approve_all(agent, await bench.run(agent))


@scenario("the choice comes back in the next run", 102, final="again", requests=3)
async def choice_in_next_run(sdk: Any, bench: Any) -> Any:
    bench.script(call("a"), "done", "again")
    agent = bench.agent(tools=[bench.tool("a")], model_settings=sdk.ModelSettings(tool_choice="required"))
    first = await bench.run(agent)
    second = await bench.run(agent, [*first.to_input_list(), {"role": "user", "content": "more"}])
    bench.expect(lambda: bench.bodies()[2].get("tool_choice") == "required")
    return [first, second]


@scenario("reset_tool_choice can be switched off", 103, final="done", requests=2)
async def no_reset(sdk: Any, bench: Any) -> Any:
    bench.script(call("a"), "done")
    settings = sdk.ModelSettings(tool_choice="required")
    result = await bench.run(bench.agent(tools=[bench.tool("a")], model_settings=settings, reset_tool_choice=False))
    bench.expect(lambda: [body.get("tool_choice") for body in bench.bodies()] == ["required", "required"])
    return result
