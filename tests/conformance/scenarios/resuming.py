"""Going on after a wait, with the state or with its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.conformance.answers import call, transfer
from tests.conformance.registry import scenario


@dataclass
class Shop:
    name: str = "shop"
    sold: int = 0


@scenario("the turn limit of the state holds", 8, 9, raises="MaxTurnsExceeded", log=["tool pay 1"], requests=1)
async def limit_after_pause(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay", text="1"), "never")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent, max_turns=1)
    return await bench.approve_all(agent, result, max_turns=10)


@scenario("turns are counted over waits", 8, raises="MaxTurnsExceeded", log=["tool pay 1", "tool pay 2"], requests=2)
async def turns_over_pauses(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay", text="1"), call("pay", text="2"), "never")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.approve_all(agent, await bench.run(agent, max_turns=2))
    return await bench.approve_all(agent, result)


@scenario("input guardrails do not run again", 24, final="ok", log=["guardrail check", "tool pay -"])
async def guardrails_once(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"), "ok")
    guardrails = [bench.input_guardrail(blocking=True)]
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)], input_guardrails=guardrails)
    return await bench.approve_all(agent, await bench.run(agent))


@scenario("start hooks after a wait", 14, 114, final="ok")
async def start_hooks_again(sdk: Any, bench: Any) -> Any:
    class Hooks(sdk.AgentHooks):
        async def on_start(self, context: Any, agent: Any) -> None:
            bench.log("start", agent.name)

    bench.script(call("pay"), "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)], hooks=Hooks())
    result = await bench.approve_all(agent, await bench.run(agent))
    bench.expect(lambda: bench.log.lines == ["start A", "tool pay -", "start A"])
    return result


@scenario("the agent of the state goes on", 124, final="from B", requests=3)
async def agent_of_state(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), call("pay"), "from B")
    agent = bench.agent(handoffs=[bench.agent("B", tools=[bench.tool("pay", needs_approval=True)])])
    result = await bench.run(agent)
    bench.expect(lambda: result.last_agent.name == "B")
    return [result, await bench.approve_all(agent, result)]


@scenario("the result has the whole run", 125, 167, final="ok", requests=3)
async def whole_run(sdk: Any, bench: Any) -> Any:
    bench.script(call("look"), call("pay"), "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True), bench.tool("look")])
    return await bench.approve_all(agent, await bench.run(agent))


@scenario("a state through JSON", 134, final="ok", log=["tool look -", "tool pay 7"], requests=2, killable=False)
async def through_json(sdk: Any, bench: Any) -> Any:
    bench.script([call("look"), call("pay", text="7")], "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True), bench.tool("look")])
    result = await bench.run(agent)
    state = await sdk.RunState.from_json(agent, result.to_state().to_json())
    for item in state.get_interruptions():
        state.approve(item)
    return await bench.run(agent, state)


@scenario("a decided state through a string", 134, final="ok", log=[], requests=2, killable=False)
async def decided_through_string(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay", text="7"), "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent)
    state = result.to_state()
    state.reject(result.interruptions[0], rejection_message="no money")
    return await bench.run(agent, await sdk.RunState.from_string(agent, state.to_string()))


@scenario("a state of an agent that is not there", 135, raises="UserError", killable=False)
async def agent_not_found(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"))
    result = await bench.run(bench.agent(tools=[bench.tool("pay", needs_approval=True)]))
    return await sdk.RunState.from_json(bench.agent("Other"), result.to_state().to_json())


@scenario("a state without a version", 134, raises="UserError", killable=False)
async def no_version(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"))
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    data = (await bench.run(agent)).to_state().to_json()
    return await sdk.RunState.from_json(agent, {key: value for key, value in data.items() if "ersion" not in key})


@scenario("a new context after a wait", 131, final="ok", log=["sold by other"], requests=2)
async def new_context(sdk: Any, bench: Any) -> Any:
    def pay(ctx: Any) -> str:
        bench.log("sold by", ctx.context.name)
        return "paid"

    bench.script(call("pay"), "ok")
    agent = bench.agent(tools=[bench.function(pay, needs_approval=True)])
    result = await bench.run(agent, context=Shop("first"))
    return await bench.approve_all(agent, result, context=Shop("other"))


@scenario("a wait, a handoff, and another wait", 114, 124, final="from B", requests=3)
async def two_agents_wait(sdk: Any, bench: Any) -> Any:
    bench.script([call("pay", text="a"), transfer("B")], call("pay", text="b"), "from B")
    tool = bench.tool("pay", needs_approval=True)
    agent = bench.agent(tools=[tool], handoffs=[bench.agent("B", tools=[tool])])
    first = await bench.run(agent)
    second = await bench.approve_all(agent, first)
    third = await bench.approve_all(agent, second)
    bench.expect(lambda: bench.log.lines == ["tool pay a", "tool pay b"])
    return [first, second, third]


@scenario("input that is added to a waiting run", 133, final="ok", requests=2)
async def added_input(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"), "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent)

    def decide(state: Any) -> None:
        state.approve(result.interruptions[0])
        state.add_input("and a bag")

    return await bench.resume(agent, result, decide)


@scenario("a state of a finished run asks the model once more", 127, final="again", requests=2, killable=False)
async def finished_state(sdk: Any, bench: Any) -> Any:
    bench.script("done", "again")
    agent = bench.agent()
    result = await bench.run(agent)
    return await bench.run(agent, result.to_state())


@scenario("the list of a waiting run", 108, final=None)
async def list_of_waiting_run(sdk: Any, bench: Any) -> Any:
    bench.script([call("look"), call("pay")])
    result = await bench.run(bench.agent(tools=[bench.tool("pay", needs_approval=True), bench.tool("look")]))
    kinds = [item.get("type") for item in result.to_input_list()]
    bench.expect(lambda: kinds == [None, "function_call", "function_call", "function_call_output"])
    return result
