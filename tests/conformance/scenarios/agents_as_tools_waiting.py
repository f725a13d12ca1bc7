"""More about waits and agents as tools."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import call
from tests.conformance.registry import scenario


@scenario("always inside an agent as a tool holds for its run alone", 144, final=None, requests=6)
async def always_inside(sdk: Any, bench: Any) -> Any:
    model = bench.lane("inner", call("pay", text="1"), call("pay", text="2"), "inner says", call("pay", text="3"))
    inner = bench.agent("Inner", model=model, tools=[bench.tool("pay", needs_approval=True)])
    bench.script(call("ask", input="1"), call("ask", input="2"))
    agent = bench.agent(tools=[inner.as_tool("ask", "Asks.")])
    result = await bench.run(agent)
    result = await bench.resume(
        agent, result, lambda state: state.approve(result.interruptions[0], always_approve=True)
    )
    bench.expect(lambda: bench.log.lines == ["tool pay 1", "tool pay 2"])
    return result


@scenario("an agent as a tool that needs approval", 144, requests=3, final="done")
async def tool_needs_approval(sdk: Any, bench: Any) -> Any:
    inner = bench.agent("Inner", model=bench.lane("inner", "inner says"))
    bench.script(call("ask", input="what?"), "done")
    agent = bench.agent(tools=[inner.as_tool("ask", "Asks.", needs_approval=True)])
    first = await bench.run(agent)
    bench.expect(lambda: bench.bodies("inner") == [] and first.interruptions[0].tool_name == "ask")
    return [first, await bench.approve_all(agent, first)]


@scenario("a wait inside an agent as a tool through JSON", 136, final="done", requests=4, killable=False)
async def inner_pause_through_json(sdk: Any, bench: Any) -> Any:
    def build() -> Any:
        inner = bench.agent("Inner", model=f"{bench.slug}.inner", tools=[bench.tool("pay", needs_approval=True)])
        return bench.agent(tools=[inner.as_tool("ask", "Asks.")])

    bench.lane("inner", call("pay", text="7"), "inner says")
    bench.script(call("ask", input="what?"), "done")
    data = (await bench.run(build())).to_state().to_json()
    agent = build()
    state = await sdk.RunState.from_json(agent, data)
    for item in state.get_interruptions():
        state.approve(item)
    return await bench.run(agent, state)


@scenario("waits inside and outside at once", 141, requests=4, final="done")
async def inside_and_outside(sdk: Any, bench: Any) -> Any:
    tool = bench.tool("pay", needs_approval=True)
    inner = bench.agent("Inner", model=bench.lane("inner", call("pay", text="in"), "inner says"), tools=[tool])
    bench.script([call("pay", text="out"), call("ask", input="what?")], "done")
    agent = bench.agent(tools=[tool, inner.as_tool("ask", "Asks.")])
    first = await bench.run(agent)
    second = await bench.approve_all(agent, first)
    bench.expect(lambda: sorted(bench.log.lines) == ["tool pay in", "tool pay out"])
    return [first, second]


@scenario("an agent as a tool switched off", 52, final="done", requests=1)
async def switched_off(sdk: Any, bench: Any) -> Any:
    inner = bench.agent("Inner", model=bench.lane("inner", "never"))
    bench.script("done")
    tools = [inner.as_tool("off", "Asks.", is_enabled=False), inner.as_tool("on", "Asks.")]
    return await bench.run(bench.agent(tools=tools))


@scenario("an agent as a tool that hands off", 137, final="done", requests=4)
async def inner_handoff(sdk: Any, bench: Any) -> Any:
    model = bench.lane("inner", call("transfer_to_other"), "other says")
    inner = bench.agent("Inner", model=model, handoffs=[bench.agent("Other", model=model)])
    bench.script(call("ask", input="what?"), "done")
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")]))


@scenario("the answer of an agent as a tool ends the run", 94, 137, final="inner says", requests=2)
async def stops_the_run(sdk: Any, bench: Any) -> Any:
    inner = bench.agent("Inner", model=bench.lane("inner", "inner says"))
    bench.script(call("ask", input="what?"))
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")], tool_use_behavior="stop_on_first_tool"))
