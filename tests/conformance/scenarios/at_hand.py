"""What stays the program's own object where the run's code and its caller are one process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.conformance.answers import call
from tests.conformance.registry import scenario


class Verdict:
    """Not JSON, and told by its identity."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


@dataclass
class Shop:
    sold: int = 0


@scenario("a wrapper that is given as the context counts on", 160, final="again", requests=3, killable=False)
async def wrapper_counts_on(sdk: Any, bench: Any) -> Any:
    def look(ctx: Any) -> str:
        bench.log("requests so far", ctx.usage.requests, len(ctx.usage.request_usage_entries))
        return "seen"

    bench.script(call("look"), "done", "again")
    agent, wrapper = bench.agent(tools=[bench.function(look)]), sdk.RunContextWrapper(Shop())
    wrapper.usage.requests = 5
    first = await bench.run(agent, context=wrapper)
    bench.log(first.context_wrapper is wrapper, wrapper.usage.requests, wrapper.usage.total_tokens)
    second = await bench.run(agent, context=wrapper)
    bench.log(second.context_wrapper is wrapper, wrapper.usage.requests, len(wrapper.usage.request_usage_entries))
    bench.expect(lambda: bench.log.lines == ["requests so far 6 1", "True 7 30", "True 8 3"])
    return [first, second]


@scenario("a wrapper counts what a run used before and after a wait", 160, final="done", requests=2, killable=False)
async def wrapper_after_a_wait(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"), "done")
    agent, wrapper = bench.agent(tools=[bench.tool("pay", needs_approval=True)]), sdk.RunContextWrapper(Shop())
    paused = await bench.run(agent, context=wrapper)
    bench.log(paused.context_wrapper is wrapper, wrapper.usage.requests)
    resumed = await bench.approve_all(agent, paused)
    bench.log(resumed.context_wrapper.usage.requests)
    bench.expect(lambda: bench.log.lines == ["True 1", "tool pay -", "2"])
    return resumed


@scenario("a wrapper has what a failed run used", 160, raises="MaxTurnsExceeded", requests=1, killable=False)
async def wrapper_of_a_failed_run(sdk: Any, bench: Any) -> Any:
    bench.script(call("look"))
    wrapper = sdk.RunContextWrapper(Shop())
    error = await bench.raised(bench.run(bench.agent(tools=[bench.tool("look")]), context=wrapper, max_turns=1))
    bench.log(error.run_data.context_wrapper is wrapper, wrapper.usage.requests)
    bench.expect(lambda: bench.log.lines == ["tool look -", "True 1"])
    return error


@scenario("what guardrails say is the object that they gave", 60, final="done", killable=False)
async def infos_of_guardrails(sdk: Any, bench: Any) -> Any:
    given: list[Verdict] = []

    def verdict(reason: str) -> Verdict:
        given.append(Verdict(reason))
        return given[-1]

    async def check(context: Any, agent: Any, value: Any) -> Any:
        return sdk.GuardrailFunctionOutput(verdict("input or output"), tripwire_triggered=False)

    async def check_call(data: Any) -> Any:
        return sdk.ToolGuardrailFunctionOutput.allow(verdict("call"))

    bench.script(call("look"), "done")
    tool = bench.tool(
        "look",
        tool_input_guardrails=[sdk.ToolInputGuardrail(check_call, name="before")],
        tool_output_guardrails=[sdk.ToolOutputGuardrail(check_call, name="after")],
    )
    judges = [sdk.OutputGuardrail(check, name="judge")]
    agent = bench.agent(
        tools=[tool], input_guardrails=[sdk.InputGuardrail(check, name="check")], output_guardrails=judges
    )
    result = await bench.run(agent)
    kinds = (
        result.input_guardrail_results,
        result.output_guardrail_results,
        result.tool_input_guardrail_results,
        result.tool_output_guardrail_results,
    )
    bench.log([any(one.output.output_info is each for each in given) for kind in kinds for one in kind])
    bench.expect(lambda: bench.log.lines == ["tool look -", "[True, True, True, True]"])
    return result


@scenario("what a guardrail says that stops the run is the object that it gave", 60, killable=False)
async def info_of_a_tripwire(sdk: Any, bench: Any) -> Any:
    given = Verdict("no")

    async def check(context: Any, agent: Any, value: Any) -> Any:
        return sdk.GuardrailFunctionOutput(given, tripwire_triggered=True)

    bench.script("never")
    guardrail = sdk.InputGuardrail(check, name="check", run_in_parallel=False)
    error = await bench.raised(bench.run(bench.agent(input_guardrails=[guardrail])))
    bench.log(type(error).__name__, error.guardrail_result.output.output_info is given)
    bench.expect(lambda: bench.log.lines == ["InputGuardrailTripwireTriggered True"])
