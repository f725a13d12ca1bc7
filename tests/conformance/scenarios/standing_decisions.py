"""Decisions that are drafted, changed, given one by one, or stand for later calls: in memory and through JSON."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import call, say, transfer
from tests.conformance.both_ways import Resuming, approve_first, both_ways


def payer(bench: Any, **fields: Any) -> Any:
    return bench.agent(tools=[bench.tool("pay", needs_approval=True), bench.tool("look")], **fields)


def pays(*call_ids: str) -> list[Any]:
    return [call("pay", call_id, text=call_id) for call_id in call_ids]


@both_ways("three calls decided one by one", 118, 106, requests=2)
async def one_by_one(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script([*pays("a", "b", "c"), call("look", "d")], "ok")
    agent = payer(bench)
    results = [await bench.run(agent)]
    for decide in (
        lambda state, items: state.reject(items[1], rejection_message="not b"),
        lambda state, items: state.approve(items[1]),
        lambda state, items: state.approve(items[0], always_approve=True),
    ):
        results.append(await resuming.resume(agent, results[-1], decide))
    bench.expect(lambda: [len(one.interruptions) for one in results] == [3, 2, 1, 0])
    return results


@both_ways("rejected for always without a message", 121, 116, final="ok", requests=4)
async def rejected_without_message(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    def words(args: Any) -> str:
        bench.log(args.kind, args.call_id, args.default_message)
        return f"No {args.call_id}."

    bench.script(pays("a"), pays("b"), [*pays("c"), call("look")], "ok")
    agent, config = payer(bench), {"tool_error_formatter": words}
    result = await bench.run(agent, config=config)
    reject = lambda state, items: state.reject(items[0], always_reject=True)  # noqa: E731  a line, read where it is used
    return await resuming.resume(agent, result, reject, config=config)


@both_ways("rejected for always beside a call that is left open", 121, 118, final="ok", requests=3)
async def rejected_beside_open(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script([*pays("a"), call("send", "s1")], [*pays("b"), call("send", "s2")], "ok")
    tools = [bench.tool(name, needs_approval=True) for name in ("pay", "send")]
    agent = bench.agent(tools=tools)

    def reject(state: Any, items: Any) -> None:
        state.reject(items[0], always_reject=True, rejection_message="never")

    results = [await bench.run(agent)]
    results.append(await resuming.resume(agent, results[-1], reject))
    for _ in range(2):
        results.append(await resuming.resume(agent, results[-1], approve_first))
    return results


@both_ways("a later decision for always covers what was decided before", 119, 122, final="ok", log=[], requests=3)
async def always_covers(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(pays("a", "b", "c"), pays("d"), "ok")
    agent = payer(bench)

    def decide(state: Any, items: Any) -> None:
        state.approve(items[1])
        state.reject(items[0], always_reject=True, rejection_message="no")

    return await resuming.resume(agent, await bench.run(agent), decide)


@both_ways("of two decisions for always the last one counts", 119, 122, final="ok", log=[], requests=3)
async def two_for_always(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(pays("a", "b", "c"), pays("d"), "ok")
    agent = payer(bench)

    def decide(state: Any, items: Any) -> None:
        state.approve(items[0], always_approve=True)
        state.reject(items[1], always_reject=True, rejection_message="never")

    return await resuming.resume(agent, await bench.run(agent), decide)


@both_ways("one call is rejected beside an approval for always", 122, final="ok", requests=3)
async def one_beside_always(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(pays("a", "b", "c"), pays("d"), "ok")
    agent = payer(bench)

    def decide(state: Any, items: Any) -> None:
        state.approve(items[0], always_approve=True)
        state.reject(items[2], rejection_message="not c")

    result = await resuming.resume(agent, await bench.run(agent), decide)
    bench.expect(lambda: bench.log.lines == ["tool pay a", "tool pay b", "tool pay d"])
    return result


@both_ways("for always, and then otherwise about the same call", 122, final="ok", log=["tool pay b"], requests=3)
async def always_and_otherwise(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(pays("a"), pays("b"), "ok")
    agent = payer(bench)

    def decide(state: Any, items: Any) -> None:
        state.approve(items[0], always_approve=True)
        state.reject(items[0])

    return await resuming.resume(agent, await bench.run(agent), decide)


@both_ways("the last rejection's message counts", 119, 116, final="ok", log=[], requests=2)
async def last_message(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(pays("a", "b"), "ok")
    agent = payer(bench)

    def decide(state: Any, items: Any) -> None:
        state.reject(items[0], rejection_message="first")
        state.reject(items[0])
        state.reject(items[1], rejection_message="")

    return await resuming.resume(agent, await bench.run(agent), decide)


@both_ways("a decision for always is about one agent's tool", 121, final=None, log=["tool pay a"], requests=3)
async def of_one_agent(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(pays("a"), transfer("B"), pays("b"), "never")
    second = bench.agent("B", tools=[bench.tool("pay", needs_approval=True)])
    agent = payer(bench, handoffs=[second])
    approve = lambda state, items: state.approve(items[0], always_approve=True)  # noqa: E731  as above
    return await resuming.resume(agent, await bench.run(agent), approve)


@both_ways("rejected for always where the rule would not ask", 123, final="ok", log=["rule a"], requests=3)
async def rule_not_asked(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    def rule(context: Any, arguments: Any, call_id: str) -> bool:
        bench.log("rule", call_id)
        return call_id == "a"

    bench.script(pays("a"), pays("b"), "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=rule)])

    def decide(state: Any, items: Any) -> None:
        state.reject(items[0], always_reject=True, rejection_message="no more")

    return await resuming.resume(agent, await bench.run(agent), decide)


@both_ways("two handoffs wait for decisions that come one by one", 109, 72, final="from B", requests=2)
async def two_handoffs(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    def callback(context: Any) -> None:
        bench.log("on_handoff")

    bench.script([*pays("a"), transfer("B"), call("look"), transfer("C"), *pays("b")], "from B")
    to_b = sdk.handoff(bench.agent("B", hooks=bench.agent_hooks("b")), on_handoff=callback)
    agent = payer(bench, handoffs=[to_b, bench.agent("C")])
    results = [await bench.run(agent)]
    results.append(await resuming.resume(agent, results[-1], lambda state, items: state.reject(items[0])))
    bench.expect(lambda: bench.log.count("on_handoff") == 0)
    results.append(await resuming.approve(agent, results[-1]))
    return results


@both_ways("a decided state is given twice", 125, requests=1)
async def given_twice(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(pays("a", "b"), "never")
    agent = payer(bench)
    first = await bench.run(agent)
    state = await resuming.state(agent, first)
    state.approve(state.get_interruptions()[0])
    results = [await bench.run(agent, state) for _ in range(2)]
    bench.expect(lambda: bench.log.lines == ["tool pay a"])
    return [first, *results]


@both_ways("an approved call fails for good", 58, 178, raises="UserError", requests=1)
async def fails_for_good(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script([say("m"), call("bad"), call("look")], "never")
    bad = bench.tool("bad", needs_approval=True, error=ValueError("v"), failure_error_function=None)
    agent = bench.agent(tools=[bad, bench.tool("look")])
    return await resuming.resume(agent, await bench.run(agent), approve_first)
