"""Waits inside agents as tools: two levels deep, several at once, with decisions that come one by one or stand."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import call, transfer
from tests.conformance.both_ways import Resuming, approve_first, both_ways


def _two_levels(bench: Any) -> Any:
    """An agent over Inner over Deep; each of them may pay."""

    def pay() -> Any:
        return bench.tool("pay", needs_approval=True)

    deep = bench.agent("Deep", model=bench.lane("deep"), tools=[pay()])
    inner = bench.agent("Inner", model=bench.lane("inner"), tools=[deep.as_tool("dig", "Digs."), pay()])
    return bench.agent(tools=[inner.as_tool("ask", "Asks."), pay(), bench.tool("look")])


def _pay(call_id: str) -> Any:
    return call("pay", call_id, text=call_id)


def _waiting(result: Any) -> list[str]:
    return [item.call_id for item in result.interruptions]


@both_ways("waits on three levels, decided one by one", 141, 143, 111, requests=6, ordered=False)
async def three_levels(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = _two_levels(bench)
    bench.lane("deep", [_pay("d1"), _pay("d2")], "deep says")
    bench.lane("inner", [call("dig", "i0", input="deeper"), _pay("i1")], "inner says")
    bench.script([call("ask", "o0", input="what"), _pay("o1")], "done")
    first = await bench.run(agent)
    result, open_calls = first, [_waiting(first)]
    for call_id, approve in (("d1", True), ("d2", False), ("i1", True), ("o1", True)):

        def decide(state: Any, items: Any, call_id: str = call_id, approve: bool = approve) -> None:
            item = next(each for each in items if each.call_id == call_id)
            state.approve(item) if approve else state.reject(item, rejection_message=f"not {call_id}")

        result = await resuming.resume(agent, result, decide)
        open_calls.append(_waiting(result))
    bench.expect(lambda: open_calls[0] == ["d1", "d2", "i1", "o1"] and open_calls[-1] == [])
    return [first, open_calls, result.final_output, result.context_wrapper.usage.requests]


@both_ways("always inside one call of an agent as a tool, and then in the next", 144, 121, requests=9)
async def always_in_each_call(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = _two_levels(bench)
    bench.lane("inner", _pay("i1"), _pay("i2"), "one", _pay("i3"), _pay("i4"), "two")
    bench.script(call("ask", "o0", input="a"), call("ask", "o1", input="b"), "done")
    results = [await bench.run(agent)]
    for _ in range(2):
        results.append(
            await resuming.resume(agent, results[-1], lambda state, items: state.approve(items[0], always_approve=True))
        )
    bench.expect(lambda: [_waiting(one) for one in results] == [["i1"], ["i3"], []])
    return results


@both_ways("rejected for always inside, and asked outside", 144, 116, final="done")
async def rejected_inside(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = _two_levels(bench)
    bench.lane("inner", [_pay("i1"), _pay("i2")], _pay("i3"), "inner says")
    bench.script(call("ask", "o0", input="a"), _pay("o1"), "done")

    def decide(state: Any, items: Any) -> None:
        state.reject(items[0], always_reject=True, rejection_message="never inside")

    results = [await bench.run(agent)]
    results.append(await resuming.resume(agent, results[-1], decide))
    results.append(await resuming.approve(agent, results[-1]))
    bench.expect(lambda: [_waiting(one) for one in results] == [["i1", "i2"], ["o1"], []])
    return results


@both_ways("approved for always outside, and asked inside", 139, 144, final="done", log=["tool pay o0", "tool pay o2"])
async def always_outside(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = _two_levels(bench)
    bench.lane("inner", _pay("i1"), "inner says")
    bench.script(_pay("o0"), call("ask", "o1", input="a"), _pay("o2"), "done")
    first = await bench.run(agent)
    second = await resuming.resume(agent, first, lambda state, items: state.approve(items[0], always_approve=True))
    third = await resuming.resume(agent, second, lambda state, items: state.reject(items[0], rejection_message="no"))
    return [first, second, third]


@both_ways("an agent as a tool that is approved, and then waits inside", 144, 141, final="done", requests=6)
async def approved_then_waits(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    inner = bench.agent(
        "Inner", model=bench.lane("inner", _pay("i1"), "one", "two"), tools=[bench.tool("pay", needs_approval=True)]
    )
    agent = bench.agent(tools=[inner.as_tool("ask", "Asks.", needs_approval=True)])
    bench.script(call("ask", "o0", input="a"), call("ask", "o1", input="b"), "done")
    results = [await bench.run(agent)]
    for _ in range(2):
        results.append(
            await resuming.resume(agent, results[-1], lambda state, items: state.approve(items[0], always_approve=True))
        )
    return results


@both_ways("an agent as a tool that is rejected", 144, 116, final="done", requests=2)
async def rejected_agent(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    inner = bench.agent("Inner", model=bench.lane("inner", "never"))
    bench.script(call("ask", "o0", input="a"), "done")
    agent = bench.agent(tools=[inner.as_tool("ask", "Asks.", needs_approval=True)])
    result = await bench.run(agent)
    return await resuming.resume(agent, result, lambda state, items: state.reject(items[0], rejection_message="no"))


@both_ways("a handoff inside an agent as a tool, and then a wait", 141, 111, final="done", requests=5)
async def handoff_then_wait(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    model = bench.lane("inner", transfer("Other"), _pay("i1"), "other says")
    other = bench.agent("Other", model=model, tools=[bench.tool("pay", needs_approval=True)])
    inner = bench.agent("Inner", model=model, handoffs=[other])
    bench.script(call("ask", "o0", input="a"), "done")
    agent = bench.agent(tools=[inner.as_tool("ask", "Asks.")])
    first = await bench.run(agent)
    return [first, await resuming.approve(agent, first)]


@both_ways("an agent as a tool that passes its limit after a wait", 138, 141, final="done", requests=3)
async def limit_after_wait(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    inner = bench.agent(
        "Inner", model=bench.lane("inner", _pay("i1"), "never"), tools=[bench.tool("pay", needs_approval=True)]
    )
    bench.script(call("ask", "o0", input="a"), "done")
    agent = bench.agent(tools=[inner.as_tool("ask", "Asks.", max_turns=1)])
    first = await bench.run(agent)
    return [first, await resuming.approve(agent, first)]


@both_ways("an output extractor and the outer hooks after waits inside", 140, 142, final="done", requests=7)
async def extractor_after_wait(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    async def extract(result: Any) -> str:
        bench.log("extract", result.final_output, result.last_agent.name)
        return f"<{result.final_output}>"

    class Hooks(sdk.AgentHooks):
        async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
            bench.log("start", tool.name)

        async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> None:
            bench.log("end", tool.name, result)

    inner = bench.agent(
        "Inner", model=bench.lane("inner", _pay("i1"), "one", _pay("i2"), "two"),
        tools=[bench.tool("pay", needs_approval=True)],
    )  # fmt: skip
    tool = inner.as_tool("ask", "Asks.", custom_output_extractor=extract)
    agent = bench.agent(tools=[tool], hooks=Hooks())
    bench.script(call("ask", "o0", input="a"), call("ask", "o1", input="b"), "done")
    result = await bench.run(agent)
    for _ in range(2):
        result = await resuming.resume(agent, result, approve_first)
    return result


@both_ways("the formatter's words about a rejection inside", 116, 139, final="done", requests=4)
async def formatted_inside(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    def words(args: Any) -> str:
        bench.log(args.kind, args.tool_name, args.call_id)
        return "formatted no"

    agent, config = _two_levels(bench), {"tool_error_formatter": words}
    bench.lane("inner", _pay("i1"), "inner says")
    bench.script(call("ask", "o0", input="a"), "done")
    result = await bench.run(agent, config=config)
    return await resuming.resume(agent, result, lambda state, items: state.reject(items[0]), config=config)
