"""Calls that wait for a decision."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import call, say, transfer
from tests.conformance.registry import scenario


@scenario(
    "a call that waits",
    106,
    107,
    108,
    final=None,
    log=["run:start A", "run:llm_start A 1", "run:llm_end A resp_main_1"],
)
async def waits(sdk: Any, bench: Any) -> Any:
    bench.script([say("may I?"), call("pay", text="7")])
    judges = [bench.output_guardrail()]
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)], output_guardrails=judges)
    return await bench.run(agent, hooks=bench.run_hooks())


@scenario("calls that need no approval run before the wait", 106, final=None, log=["tool look -"])
async def others_run(sdk: Any, bench: Any) -> Any:
    bench.script([call("pay"), call("look")])
    return await bench.run(bench.agent(tools=[bench.tool("pay", needs_approval=True), bench.tool("look")]))


@scenario("several calls wait in call order", 107, final=None, log=[])
async def several_wait(sdk: Any, bench: Any) -> Any:
    bench.script([call("pay", text="1"), call("send"), call("pay", text="2")])
    tools = [bench.tool("send", needs_approval=True), bench.tool("pay", needs_approval=True)]
    return await bench.run(bench.agent(tools=tools))


@scenario(
    "an approval rule", 104, final=None, log=["rule {'text': 'big'} c1", "rule {'text': 'small'} c2", "tool pay small"]
)
async def rule(sdk: Any, bench: Any) -> Any:
    async def big(context: Any, arguments: Any, call_id: str) -> bool:
        bench.log("rule", arguments, call_id)
        return arguments["text"] == "big"

    bench.script([call("pay", "c1", text="big"), call("pay", "c2", text="small")])
    return await bench.run(bench.agent(tools=[bench.tool("pay", needs_approval=big)]))


@scenario("an approval rule that raises", 104, raises="UserError", log=[])
async def rule_raises(sdk: Any, bench: Any) -> Any:
    async def rule(context: Any, arguments: Any, call_id: str) -> bool:
        raise ValueError("no rule")

    bench.script(call("pay", text="x"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("pay", needs_approval=rule)]))


@scenario("an approval rule is not asked about bad arguments", 105, final=None, log=[])
async def rule_and_bad_arguments(sdk: Any, bench: Any) -> Any:
    async def rule(context: Any, arguments: Any, call_id: str) -> bool:
        bench.log("asked")
        return False

    bench.script(call("pay", _raw="{bad"))
    return await bench.run(bench.agent(tools=[bench.tool("pay", needs_approval=rule)]))


@scenario("an approved call runs", 114, final="paid", requests=2)
async def approved(sdk: Any, bench: Any) -> Any:
    bench.script([call("pay", text="7"), call("look")], "paid")
    agent = bench.agent(tools=[bench.tool("pay", "done", needs_approval=True), bench.tool("look")])
    result = await bench.run(agent)
    result = await bench.approve_all(agent, result)
    bench.expect(lambda: bench.log.lines == ["tool look -", "tool pay 7"])
    return result


@scenario("hooks and guardrails of an approved call", 114, final="paid", requests=2)
async def approved_with_hooks(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"), "paid")
    guards = [bench.tool_input_guardrail()]
    agent = bench.agent(
        tools=[bench.tool("pay", needs_approval=True, tool_input_guardrails=guards)], hooks=bench.agent_hooks()
    )
    result = await bench.run(agent)
    return await bench.approve_all(agent, result)


@scenario("a rejected call", 115, 116, final="ok", log=[], requests=2)
async def rejected(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"), "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent)
    return await bench.resume(agent, result, lambda state: state.reject(result.interruptions[0]))


@scenario("a rejected call with a message", 116, final="ok", requests=2)
async def rejected_with_message(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"), "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent)

    def decide(state: Any) -> None:
        state.reject(result.interruptions[0], rejection_message="too much")

    return await bench.resume(agent, result, decide)


@scenario("the formatter's words about a rejection", 116, final="ok", requests=2)
async def rejection_formatted(sdk: Any, bench: Any) -> Any:
    def words(args: Any) -> str | None:
        bench.log(args.kind, args.tool_type, args.tool_name, args.call_id, args.default_message)
        return f"No {args.tool_name} today." if args.tool_name == "pay" else None

    bench.script([call("pay", "c1"), call("send", "c2")], "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True), bench.tool("send", needs_approval=True)])
    result = await bench.run(agent, config={"tool_error_formatter": words})

    def decide(state: Any) -> None:
        for item in result.interruptions:
            state.reject(item)

    return await bench.resume(agent, result, decide, config={"tool_error_formatter": words})


@scenario("one approved, one rejected", 117, final="ok", log=["tool pay 2"], requests=2)
async def mixed(sdk: Any, bench: Any) -> Any:
    bench.script([call("pay", text="1"), call("pay", text="2")], "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent)

    def decide(state: Any) -> None:
        state.reject(result.interruptions[0])
        state.approve(result.interruptions[1])

    return await bench.resume(agent, result, decide)


@scenario("one decided, one left open", 118, final=None, log=["tool pay 2"], requests=1)
async def partial(sdk: Any, bench: Any) -> Any:
    bench.script([call("pay", text="1"), call("pay", text="2")])
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent)
    return await bench.resume(agent, result, lambda state: state.approve(result.interruptions[1]))


@scenario("nothing decided", 118, final=None, log=[], requests=1)
async def undecided(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"))
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent)
    return await bench.resume(agent, result, lambda state: None)


@scenario("first one, then the other", 118, final="ok", log=["tool pay 2", "tool pay 1"], requests=2)
async def one_by_one(sdk: Any, bench: Any) -> Any:
    bench.script([call("pay", text="1"), call("pay", text="2")], "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent)
    second = await bench.resume(agent, result, lambda state: state.approve(result.interruptions[1]))
    return await bench.approve_all(agent, second)


@scenario("the last decision in a state counts", 119, final="ok", log=["tool pay 1"], requests=2)
async def last_decision(sdk: Any, bench: Any) -> Any:
    bench.script([call("pay", text="1"), call("pay", text="2")], "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent)

    def decide(state: Any) -> None:
        first, second = result.interruptions
        state.reject(first)
        state.approve(first)
        state.approve(second)
        state.reject(second)

    return await bench.resume(agent, result, decide)


@scenario("the next call of the tool waits again", 120, final=None, log=["tool pay 1"], requests=2)
async def waits_again(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay", text="1"), call("pay", text="2"))
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    return await bench.approve_all(agent, await bench.run(agent))


@scenario("approved for always", 121, final="ok", log=["tool pay 1", "tool pay 2"], requests=3)
async def always(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay", text="1"), call("pay", text="2"), "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent)
    return await bench.resume(agent, result, lambda state: state.approve(result.interruptions[0], always_approve=True))


@scenario("rejected for always", 121, final="ok", log=[], requests=3)
async def never(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay", text="1"), call("pay", text="2"), "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent)

    def decide(state: Any) -> None:
        state.reject(result.interruptions[0], always_reject=True, rejection_message="never again")

    return await bench.resume(agent, result, decide)


@scenario("a decision for one call beside one for always", 122, final="ok", log=["tool pay 1"], requests=2)
async def exact_over_sticky(sdk: Any, bench: Any) -> Any:
    bench.script([call("pay", text="1"), call("pay", text="2")], "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent)

    def decide(state: Any) -> None:
        state.approve(result.interruptions[0], always_approve=True)
        state.reject(result.interruptions[1])

    return await bench.resume(agent, result, decide)


@scenario("the rule of a decided call is not asked again", 123, final="ok", log=["rule", "tool pay x"], requests=2)
async def rule_asked_once(sdk: Any, bench: Any) -> Any:
    async def rule(context: Any, arguments: Any, call_id: str) -> bool:
        bench.log("rule")
        return True

    bench.script(call("pay", text="x"), "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=rule)])
    return await bench.approve_all(agent, await bench.run(agent))


@scenario("a handoff waits for the decisions of its response", 109, final="from B", requests=2)
async def handoff_waits(sdk: Any, bench: Any) -> Any:
    def callback(context: Any) -> None:
        bench.log("on_handoff")

    bench.script([transfer("B"), call("pay")], "from B")
    to_b = sdk.handoff(bench.agent("B"), on_handoff=callback)
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)], handoffs=[to_b])
    result = await bench.run(agent)
    bench.expect(lambda: bench.log.lines == [])
    return [result, await bench.approve_all(agent, result)]


@scenario(
    "guardrails before the human is asked", 113, final="ok", log=['tool input guardrail before pay {"text": "x"}']
)
async def pre_approval_guardrails(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay", text="x"), "ok")
    tool = bench.tool("pay", needs_approval=True, tool_input_guardrails=[bench.tool_input_guardrail("not today")])
    early = sdk.ToolExecutionConfig(pre_approval_tool_input_guardrails=True)
    return await bench.run(bench.agent(tools=[tool]), config={"tool_execution": early})


@scenario("guardrails before the human is asked, and before the call", 113, final="ok", requests=2)
async def pre_approval_guardrails_twice(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay", text="x"), "ok")
    tool = bench.tool("pay", needs_approval=True, tool_input_guardrails=[bench.tool_input_guardrail()])
    early = {"tool_execution": sdk.ToolExecutionConfig(pre_approval_tool_input_guardrails=True)}
    agent = bench.agent(tools=[tool])
    return await bench.approve_all(agent, await bench.run(agent, config=early), config=early)
