"""Turns, the limit on them, and the order of work in a run."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import Failure, call, say, think, transfer
from tests.conformance.registry import scenario


@scenario("a run of one answer", 1, 21, final="hello", requests=1)
async def one_answer(sdk: Any, bench: Any) -> Any:
    bench.script("hello")
    return await bench.run(bench.agent(instructions="Be kind."), "hi")


@scenario("a list of items as input", 21, final="hello")
async def list_input(sdk: Any, bench: Any) -> Any:
    bench.script("hello")
    given = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    return await bench.run(bench.agent(), given)


@scenario("an empty list as input", 166, final="hello")
async def empty_input(sdk: Any, bench: Any) -> Any:
    bench.script("hello")
    return await bench.run(bench.agent(), [])


@scenario("an item that the model input and the caller both have", 21, final="ok")
async def caller_items(sdk: Any, bench: Any) -> Any:
    bench.script(call("t", text="x"), "ok")
    given = [
        {"role": "user", "content": "a"},
        {"type": "function_call", "call_id": "c0", "name": "t", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c0", "output": "earlier"},
    ]
    return await bench.run(bench.agent(tools=[bench.tool("t")]), given)


@scenario("the answer in the last allowed turn", 1, final="done", requests=2)
async def last_allowed_turn(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "done")
    return await bench.run(bench.agent(tools=[bench.tool("t")]), max_turns=2)


@scenario(
    "max_turns of one runs the tool and then raises", 1, 2, 3, raises="MaxTurnsExceeded", log=["tool t -"], requests=1
)
async def max_turns_one(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t")]), max_turns=1)


@scenario("no start of the model is announced for a refused turn", 2, raises="MaxTurnsExceeded", requests=1)
async def no_hook_for_refused_turn(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t")]), max_turns=1, hooks=bench.run_hooks())


@scenario("the run data of a passed limit has every turn", 3, raises="MaxTurnsExceeded", requests=2)
async def limit_run_data(sdk: Any, bench: Any) -> Any:
    bench.script([think(), call("t", text="1")], [say("so"), call("t", text="2"), call("t", text="3")], "never")
    guards = [bench.tool_input_guardrail()]
    return await bench.run(bench.agent(tools=[bench.tool("t", tool_input_guardrails=guards)]), max_turns=2)


@scenario("the limit with an output type", 1, raises="MaxTurnsExceeded", requests=1)
async def limit_with_output_type(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "[1]")
    return await bench.run(bench.agent(tools=[bench.tool("t")], output_type=list[int]), max_turns=1)


@scenario("a handoff consumes a turn", 4, raises="MaxTurnsExceeded", requests=1)
async def handoff_consumes_turn(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "never")
    return await bench.run(bench.agent(handoffs=[bench.agent("B")]), max_turns=1)


@scenario("ten turns are allowed by default", 5, raises="MaxTurnsExceeded", requests=10)
async def ten_turns(sdk: Any, bench: Any) -> Any:
    bench.script(*[call("t", text=str(turn)) for turn in range(12)])
    return await bench.run(bench.agent(tools=[bench.tool("t")]))


@scenario("max_turns of None is no limit", 5, final="done", requests=13)
async def no_limit(sdk: Any, bench: Any) -> Any:
    bench.script(*[call("t", text=str(turn)) for turn in range(12)], "done")
    return await bench.run(bench.agent(tools=[bench.tool("t")]), max_turns=None)


@scenario("max_turns of zero fails before everything", 6, raises="MaxTurnsExceeded", log=[], requests=0)
async def zero_turns(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    agent = bench.agent(input_guardrails=[bench.input_guardrail(blocking=True)], hooks=bench.agent_hooks())
    return await bench.run(agent, max_turns=0, hooks=bench.run_hooks())


@scenario(
    "the order of a first turn", 11, 13, 15, final="done",
    log=["guardrail block", "run:start A", "agent:start A", "instructions", "filter", "run:llm_start A 1",
         "agent:llm_start A 1", "model 1", "agent:llm_end A resp_main_1", "run:llm_end A resp_main_1",
         "run:tool_start A t", "agent:tool_start A t", "tool t -", "run:tool_end A t 'ok'", "agent:tool_end A t 'ok'",
         "instructions", "filter", "run:llm_start A 3", "agent:llm_start A 3", "model 2", "agent:llm_end A resp_main_2",
         "run:llm_end A resp_main_2", "run:end A 'done'", "agent:end A 'done'", "output guardrail judge A 'done'"],
    killable=False,
)  # fmt: skip
async def order_of_a_turn(sdk: Any, bench: Any) -> Any:
    def instructions(context: Any, agent: Any) -> str:
        bench.log("instructions")
        return "Do it."

    def shape(data: Any) -> Any:
        bench.log("filter")
        return data.model_data

    bench.script(call("t"), "done")
    bench.log_requests()
    agent = bench.agent(
        instructions=instructions, tools=[bench.tool("t")], hooks=bench.agent_hooks(),
        input_guardrails=[bench.input_guardrail("block", blocking=True)], output_guardrails=[bench.output_guardrail()],
    )  # fmt: skip
    return await bench.run(agent, hooks=bench.run_hooks(), config={"call_model_input_filter": shape})


@scenario(
    "an agent starts once, and again after each handoff", 14, final="end",
    log=["run:start A", "a:start A", "tool t -", "run:start B", "b:start B", "run:start A", "a:start A"],
)  # fmt: skip
async def starts(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), transfer("B"), transfer("A"), "end")

    class RunHooks(sdk.RunHooks):
        async def on_agent_start(self, context: Any, agent: Any) -> None:
            bench.log("run:start", agent.name)

    class AgentHooks(sdk.AgentHooks):
        async def on_start(self, context: Any, agent: Any) -> None:
            bench.log(f"{agent.name.lower()}:start", agent.name)

    first = bench.agent(tools=[bench.tool("t")], hooks=AgentHooks())
    second = bench.agent("B", handoffs=[first], hooks=AgentHooks())
    first.handoffs = [second]
    return await bench.run(first, hooks=RunHooks())


@scenario("an agent that hands off to itself starts again", 14, final="end", requests=2)
async def handoff_to_itself(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("A"), "end")
    agent = bench.agent(hooks=bench.agent_hooks())
    agent.handoffs = [agent]
    return await bench.run(agent, hooks=bench.run_hooks())


@scenario("instructions are evaluated on every turn", 16, final="end", killable=False)
async def instructions_every_turn(sdk: Any, bench: Any) -> Any:
    async def instructions(context: Any, agent: Any) -> str:
        bench.log("instructions", agent.name, context.usage.requests)
        return f"{agent.name} {len(bench.log.lines)}"

    bench.script(call("t"), call("t"), "end")
    result = await bench.run(bench.agent(instructions=instructions, tools=[bench.tool("t")]))
    bench.expect(lambda: [body["instructions"] for body in bench.bodies()] == ["A 1", "A 3", "A 5"])
    return result


@scenario("instructions with three parameters", 16, raises="TypeError", requests=0)
async def instructions_with_three(sdk: Any, bench: Any) -> Any:
    def instructions(context: Any, agent: Any, more: Any) -> str:
        return "no"

    bench.script("never")
    return await bench.run(bench.agent(instructions=instructions))


@scenario(
    "usage is counted before the hooks and tools of the turn", 17, final="end", log=["llm_end 1", "tool 1", "llm_end 2"]
)
async def usage_before_hooks(sdk: Any, bench: Any) -> Any:
    class Hooks(sdk.RunHooks):
        async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:
            bench.log("llm_end", context.usage.requests)

    def look(ctx: Any) -> str:
        bench.log("tool", ctx.usage.requests)
        return "seen"

    bench.script(call("look"), "end")
    return await bench.run(bench.agent(tools=[bench.function(look)]), hooks=Hooks())


@scenario(
    "the end of a model call is announced although its answer is bad", 18, raises="ModelBehaviorError",
    log=["run:start A", "run:llm_start A 1", "run:llm_end A resp_main_1"],
)  # fmt: skip
async def llm_end_before_interpretation(sdk: Any, bench: Any) -> Any:
    bench.script(call("unknown"))
    return await bench.run(bench.agent(), hooks=bench.run_hooks())


@scenario("a turn whose processing raises leaves no trace", 22, raises="UserError", log=["tool fine -", "tool bad -"])
async def no_trace_of_a_failed_turn(sdk: Any, bench: Any) -> Any:
    bench.script(call("fine"), call("bad"))
    bad = bench.tool("bad", error=ValueError("broken"), failure_error_function=None)
    return await bench.run(bench.agent(tools=[bench.tool("fine"), bad]))


@scenario("the items of a turn", 20, final="end")
async def items_of_a_turn(sdk: Any, bench: Any) -> Any:
    bench.script([think(), call("a"), say("and"), transfer("B"), call("b"), transfer("C")], "end")
    others = [bench.agent("B"), bench.agent("C")]
    return await bench.run(bench.agent(tools=[bench.tool("a", "1"), bench.tool("b", "2")], handoffs=others))


@scenario("the input of each turn is all before it", 21, final="end", requests=4)
async def input_grows(sdk: Any, bench: Any) -> Any:
    bench.script([think("first"), call("t", text="1")], [say("hm"), call("t", text="2")], transfer("B"), "end")
    return await bench.run(bench.agent(tools=[bench.tool("t")], handoffs=[bench.agent("B")]))


@scenario("a model call that is repeated takes no turn", 1, requests=2)
async def repeated_call_takes_no_turn(sdk: Any, bench: Any) -> Any:
    delays = sdk.ModelRetryBackoffSettings(initial_delay=0.05, max_delay=0.1, multiplier=1, jitter=False)
    retry = sdk.ModelRetrySettings(max_retries=2, backoff=delays, policy=sdk.retry_policies.http_status([500]))
    bench.script(Failure(500), "done")
    result = await bench.run(bench.agent(model_settings=sdk.ModelSettings(retry=retry)), max_turns=1)
    return result.final_output


@scenario("what is switched on is asked before a turn that is refused", 7, raises="MaxTurnsExceeded",
          log=["enabled? 0", "enabled? 1", "tool t -"])  # fmt: skip
async def asked_before_refused_turn(sdk: Any, bench: Any) -> Any:
    def enabled(context: Any, agent: Any) -> bool:
        bench.log("enabled?", context.usage.requests)
        return True

    bench.script(call("t"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t", is_enabled=enabled)]), max_turns=1)


@scenario("a limit below zero", 6, raises="MaxTurnsExceeded", requests=0)
async def limit_below_zero(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    return await bench.run(bench.agent(), max_turns=-1)


class _Async:
    async def __call__(self, context: Any, agent: Any) -> str:
        return "of an async object"


class _Sync:
    def __call__(self, context: Any, agent: Any) -> str:
        return "of an object"


@scenario("instructions of all kinds", 16)
async def kinds_of_instructions(sdk: Any, bench: Any) -> Any:
    kinds: dict[str, Any] = {
        "none": lambda context, agent: None, "empty": lambda context, agent: "", "async": _Async(), "sync": _Sync(),
        "one": lambda context: "x", "any": lambda *both: "x", "default": lambda context, agent, more=1: "x",
    }  # fmt: skip
    found = []
    for name, instructions in kinds.items():
        agent = bench.agent(model=bench.lane(name, "done"), instructions=instructions)
        found.append(await bench.ended(bench.run(agent)))
    names = ["RunResult"] * 4 + ["TypeError"] * 3
    bench.expect(lambda: [type(each).__name__ for each in found] == names)
    return found


@scenario("instructions that return no text", 16, final="done", requests=1)
async def instructions_without_text(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    return await bench.run(bench.agent(instructions=lambda context, agent: ["no text"]))
