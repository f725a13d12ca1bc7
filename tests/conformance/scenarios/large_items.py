"""Items that are too large to travel: they lie beside the history, and nobody may notice."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import call, say
from tests.conformance.registry import scenario

LARGE = 100_000  # characters; more than an item may have in a history


def _lengths(bench: Any) -> list[int]:
    """How long the outputs are that the main model was sent last."""
    return [len(item["output"]) for item in bench.bodies()[-1]["input"] if "output" in item]


@scenario("a large output of a tool ends the run", 94, requests=1)
async def tool_ends(sdk: Any, bench: Any) -> Any:
    bench.script([say("before"), call("t")])
    agent = bench.agent(tools=[bench.tool("t", "x" * LARGE)], tool_use_behavior="stop_on_first_tool")
    result = await bench.run(agent)
    bench.expect(lambda: result.final_output == "x" * LARGE)
    return len(result.final_output)


@scenario("a function makes a large final output", 96, requests=1)
async def function_ends(sdk: Any, bench: Any) -> Any:
    def decide(context: Any, results: Any) -> Any:
        return sdk.ToolsToFinalOutputResult(is_final_output=True, final_output="y" * LARGE)

    bench.script([say("before"), call("t")])
    result = await bench.run(bench.agent(tools=[bench.tool("t")], tool_use_behavior=decide))
    bench.expect(lambda: result.final_output == "y" * LARGE)
    return len(result.final_output)


@scenario("a large message, and a small one after it", 87, final="small", requests=1)
async def small_after_large(sdk: Any, bench: Any) -> Any:
    bench.script([say("x" * LARGE), say("small")])
    return await bench.run(bench.agent())


INNER: dict[str, dict[str, Any]] = {
    "says much": {"answers": [say("z" * LARGE)]},
    "ends in a tool's large output": {"answers": [call("t")], "tool_use_behavior": "stop_on_first_tool"},
    "says nothing after a tool's large output": {"answers": [call("t"), []]},
    "gives a large value": {"answers": ['{"response": ["' + "z" * LARGE + '"]}'], "output_type": list[str]},
}


def _register(name: str, answers: list[Any], **fields: Any) -> None:
    @scenario(f"an agent as a tool {name}", 137, 140, final="done")
    async def inner_says(sdk: Any, bench: Any) -> Any:
        tools = [bench.tool("t", "y" * LARGE)]
        inner = bench.agent("Inner", model=bench.lane("inner", *answers), tools=tools, **fields)
        bench.script(call("ask", input="x"), "done")
        hooks = None if "output_type" in fields else bench.agent_hooks()
        result = await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")], hooks=hooks))
        bench.expect(lambda: min(_lengths(bench)) >= LARGE)
        return result


for _name, _fields in INNER.items():
    _register(_name, **_fields)


@scenario("a large answer of an agent as a tool ends the run", 94, 137, requests=2)
async def inner_ends(sdk: Any, bench: Any) -> Any:
    inner = bench.agent("Inner", model=bench.lane("inner", say("z" * LARGE)))
    bench.script(call("ask", input="x"))
    agent = bench.agent(tools=[inner.as_tool("ask", "Asks.")], tool_use_behavior="stop_on_first_tool")
    result = await bench.run(agent)
    bench.expect(lambda: result.final_output == "z" * LARGE)
    return len(result.final_output)


@scenario("an output extractor makes much of little", 140, final="done", requests=3)
async def extracted(sdk: Any, bench: Any) -> Any:
    inner = bench.agent("Inner", model=bench.lane("inner", "little"))
    bench.script(call("ask", input="x"), "done")

    async def extract(result: Any) -> str:
        return result.final_output * (LARGE // 4)

    tool = inner.as_tool("ask", "Asks.", custom_output_extractor=extract)
    result = await bench.run(bench.agent(tools=[tool]))
    bench.expect(lambda: _lengths(bench) == [len("little") * (LARGE // 4)])
    return result


@scenario("a large input of an agent as a tool", 137, final="done", requests=3)
async def inner_input(sdk: Any, bench: Any) -> Any:
    inner = bench.agent("Inner", model=bench.lane("inner", "ok"))
    bench.script(call("ask", input="x" * LARGE), "done")
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")]))


@scenario("a call with large arguments waits", 107, 111, 134, requests=2, killable=False)
async def large_arguments(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay", text="p" * LARGE), "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    first = await bench.run(agent)
    state = await sdk.RunState.from_json(agent, first.to_state().to_json())
    shown = [len(item.arguments) for item in [*first.interruptions, *state.get_interruptions()]]
    bench.expect(lambda: min(shown) > LARGE)
    state.approve(state.get_interruptions()[0])
    return [shown, await bench.run(agent, state), len(bench.log.lines[0])]
