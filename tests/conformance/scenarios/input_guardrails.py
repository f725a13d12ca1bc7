"""Guardrails on the input."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import Failure, call, said, transfer
from tests.conformance.registry import scenario

SLOW = 3.0  # seconds: longer than a model call takes, on a busy machine too

TRIPPED = "InputGuardrailTripwireTriggered"


@scenario(
    "guardrails of the agent, then those of the run, once",
    23,
    final="done",
    log=["guardrail a", "guardrail b", "tool t -"],
)
async def run_once(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "done")
    guardrails = [bench.input_guardrail("a", blocking=True)]
    of_run = {"input_guardrails": [bench.input_guardrail("b", blocking=True)]}
    return await bench.run(bench.agent(tools=[bench.tool("t")], input_guardrails=guardrails), config=of_run)


@scenario("an agent reached by handoff does not check the input", 23, final="done", log=["guardrail of A"])
async def not_after_handoff(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "done")
    second = bench.agent("B", input_guardrails=[bench.input_guardrail("of B")])
    return await bench.run(bench.agent(handoffs=[second], input_guardrails=[bench.input_guardrail("of A")]))


@scenario("a blocking guardrail that trips", 26, 33, raises=TRIPPED, log=["guardrail stop"], requests=0)
async def blocking_trip(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    agent = bench.agent(input_guardrails=[bench.input_guardrail("stop", trip=True, blocking=True)])
    return await bench.run(agent, hooks=bench.run_hooks())


@scenario("a parallel guardrail that passes", 31, final="done", log=["guardrail check"], requests=1)
async def parallel_pass(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    return await bench.run(bench.agent(input_guardrails=[bench.input_guardrail(seconds=0.2)]))


@scenario("a parallel guardrail that trips while the model thinks", 27, 33, raises=TRIPPED, requests=1)
async def parallel_trip_during_model(sdk: Any, bench: Any) -> Any:
    bench.script(said("never", 5.0))
    return await bench.run(bench.agent(input_guardrails=[bench.input_guardrail(trip=True, seconds=SLOW)]))


@scenario("a slow guardrail that trips after a final answer", 28, raises=TRIPPED, requests=1)
async def slow_trip_after_final(sdk: Any, bench: Any) -> Any:
    bench.script("too early")
    agent = bench.agent(input_guardrails=[bench.input_guardrail(trip=True, seconds=SLOW)])
    return await bench.run(agent)


@scenario("a slow guardrail that trips before the second turn", 28, raises=TRIPPED, requests=1)
async def slow_trip_before_second_turn(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    agent = bench.agent(input_guardrails=[bench.input_guardrail(trip=True, seconds=SLOW)], tools=[bench.tool("t")])
    try:
        return await bench.run(agent)
    finally:
        bench.expect(lambda: bench.log.lines == ["guardrail check", "tool t -"], "the tool of a turn that is discarded")


@scenario("a slow guardrail that trips after a handoff", 28, raises=TRIPPED, requests=1)
async def slow_trip_after_handoff(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "never")
    guardrails = [bench.input_guardrail(trip=True, seconds=SLOW)]
    return await bench.run(bench.agent(handoffs=[bench.agent("B")], input_guardrails=guardrails))


@scenario("the first of several guardrails to trip", 32, 33, raises=TRIPPED, requests=0)
async def first_trip(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    guardrails = [
        bench.input_guardrail("slow", seconds=5.0, blocking=True),
        bench.input_guardrail("quick", blocking=True),
        bench.input_guardrail("trips", seconds=SLOW, trip=True, blocking=True),
    ]
    return await bench.run(bench.agent(input_guardrails=guardrails))


@scenario("results of guardrails come in the order of completion", 32, final="done")
async def completion_order(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    guardrails = [bench.input_guardrail("slow", seconds=1.0), bench.input_guardrail("quick", seconds=0.1)]
    result = await bench.run(bench.agent(input_guardrails=guardrails))
    names = [one.guardrail.get_name() for one in result.input_guardrail_results]
    bench.expect(lambda: names == ["quick", "slow"])
    return [result, names]


@scenario("a blocking guardrail beside a parallel one", 25, final="done", ordered=False)
async def blocking_and_parallel(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    guardrails = [bench.input_guardrail("parallel", seconds=0.3), bench.input_guardrail("block", blocking=True)]
    return await bench.run(bench.agent(input_guardrails=guardrails))


@scenario(
    "a blocking guardrail that trips keeps a parallel one from starting", 25, raises=TRIPPED, log=["guardrail block"]
)
async def blocking_before_parallel(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    guardrails = [bench.input_guardrail("parallel"), bench.input_guardrail("block", trip=True, blocking=True)]
    return await bench.run(bench.agent(input_guardrails=guardrails))


@scenario("a guardrail that raises", 34, raises="ValueError", requests=0)
async def guardrail_raises(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    return await bench.run(
        bench.agent(input_guardrails=[bench.input_guardrail(error=ValueError("odd"), blocking=True)])
    )


@scenario("a parallel guardrail that raises", 34, raises="ValueError", requests=1)
async def parallel_guardrail_raises(sdk: Any, bench: Any) -> Any:
    bench.script(said("never", 5.0))
    guardrails = [bench.input_guardrail(error=ValueError("odd"), seconds=0.3)]
    return await bench.run(bench.agent(input_guardrails=guardrails))


@scenario("the model fails beside a guardrail", 35, raises="BadRequestError", requests=1)
async def model_fails_first(sdk: Any, bench: Any) -> Any:
    bench.script(Failure(400))
    return await bench.run(bench.agent(input_guardrails=[bench.input_guardrail(seconds=2.0)]))


@scenario("what a guardrail is given", 36, final="done", log=["'hi' A", "list 2 A"])
async def guardrail_arguments(sdk: Any, bench: Any) -> Any:
    async def check(context: Any, agent: Any, value: Any) -> Any:
        bench.log(repr(value) if isinstance(value, str) else f"list {len(value)}", agent.name)
        return sdk.GuardrailFunctionOutput(output_info={"seen": 1}, tripwire_triggered=False)

    bench.script("done", "done")
    agent = bench.agent(input_guardrails=[sdk.InputGuardrail(guardrail_function=check, run_in_parallel=False)])
    await bench.run(agent, "hi")
    return await bench.run(agent, [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}])


@scenario("guardrails made by the decorators", 37, final="done")
async def decorators(sdk: Any, bench: Any) -> Any:
    @sdk.input_guardrail
    def plain(context: Any, agent: Any, value: Any) -> Any:
        return sdk.GuardrailFunctionOutput(output_info="plain", tripwire_triggered=False)

    @sdk.input_guardrail(name="named", run_in_parallel=False)
    async def other(context: Any, agent: Any, value: Any) -> Any:
        return sdk.GuardrailFunctionOutput(output_info="other", tripwire_triggered=False)

    @sdk.output_guardrail
    def judge(context: Any, agent: Any, output: Any) -> Any:
        return sdk.GuardrailFunctionOutput(output_info=[output], tripwire_triggered=False)

    bench.script("done")
    result = await bench.run(bench.agent(input_guardrails=[plain, other], output_guardrails=[judge]))
    names = [one.guardrail.get_name() for one in result.input_guardrail_results]
    bench.expect(lambda: names == ["named", "plain"])
    return result


@scenario("a guardrail that cannot be called", 37, raises="UserError")
async def not_callable(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    return await bench.run(bench.agent(input_guardrails=[sdk.InputGuardrail(guardrail_function="no", name="no")]))


@scenario("the exception of a trip has the guardrail's result", 26)
async def trip_result(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    agent = bench.agent(input_guardrails=[bench.input_guardrail("stop", trip=True, blocking=True, info={"why": "x"})])
    error = await bench.raised(bench.run(agent))
    found = error.guardrail_result
    return [found.guardrail.get_name(), found.output.output_info, found.output.tripwire_triggered, error]


@scenario("hooks of a final answer that a slow guardrail refuses", 28, raises=TRIPPED, requests=1, ordered=False)
async def hooks_of_refused_answer(sdk: Any, bench: Any) -> Any:
    bench.script("too early")
    agent = bench.agent(input_guardrails=[bench.input_guardrail(trip=True, seconds=SLOW)], hooks=bench.agent_hooks())
    result = bench.run(agent, hooks=bench.run_hooks())
    try:
        return await result
    finally:
        bench.expect(lambda: "agent:end A 'too early'" in bench.log.lines)


@scenario("a slow guardrail trips before an output guardrail would", 28, 39, raises=TRIPPED, requests=1)
async def before_output_guardrail(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    slow = [bench.input_guardrail(trip=True, seconds=SLOW)]
    return await bench.run(bench.agent(input_guardrails=slow, output_guardrails=[bench.output_guardrail(trip=True)]))


@scenario("a slow guardrail that raises after a final answer", 34, raises="ValueError", requests=1)
async def slow_raise_after_final(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    return await bench.run(bench.agent(input_guardrails=[bench.input_guardrail(error=ValueError("odd"), seconds=SLOW)]))


@scenario("a slow guardrail that trips while a call waits", 28, 106, raises=TRIPPED, requests=1)
async def slow_trip_beside_wait(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    guards = [bench.input_guardrail(trip=True, seconds=SLOW)]
    return await bench.run(bench.agent(tools=[bench.tool("t", needs_approval=True)], input_guardrails=guards))


@scenario("a slow guardrail that passes while a call waits", 24, 31, 106, final="done", requests=2)
async def slow_pass_beside_wait(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "done")
    guards = [bench.input_guardrail(seconds=SLOW)]
    agent = bench.agent(tools=[bench.tool("t", needs_approval=True)], input_guardrails=guards)
    return await bench.approve_all(agent, await bench.run(agent))


@scenario(
    "the first to trip of the agent's and the run's, beside the model",
    23,
    32,
    33,
    raises=TRIPPED,
    requests=1,
    ordered=False,
)
async def first_trip_beside_model(sdk: Any, bench: Any) -> Any:
    bench.script(said("never", 8.0))
    own = [bench.input_guardrail("passes", seconds=0.1), bench.input_guardrail("late", seconds=5.0, trip=True)]
    of_run = [bench.input_guardrail("trips", seconds=0.6, trip=True)]
    return await bench.run(bench.agent(input_guardrails=own), config={"input_guardrails": of_run})


@scenario("a blocking guardrail that raises beside a slow one", 34, raises="ValueError", requests=0)
async def blocking_raises(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    guards = [
        bench.input_guardrail("slow", seconds=5.0, blocking=True),
        bench.input_guardrail("raises", error=ValueError("odd"), seconds=0.3, blocking=True),
        bench.input_guardrail("parallel"),
    ]
    return await bench.run(bench.agent(input_guardrails=guards))


@scenario("a guardrail that changes the context", 36, 166, final="done", requests=1)
async def changes_context(sdk: Any, bench: Any) -> Any:
    async def check(context: Any, agent: Any, value: Any) -> Any:
        context.context["seen"] = value
        return sdk.GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)

    def instructions(context: Any, agent: Any) -> str:
        return f"seen {context.context['seen']}"

    bench.script("done")
    guards = [sdk.InputGuardrail(guardrail_function=check, run_in_parallel=False)]
    return await bench.run(bench.agent(instructions=instructions, input_guardrails=guards), context={"seen": ""})


@scenario("guardrails that give no verdict", 37)
async def no_verdict(sdk: Any, bench: Any) -> Any:
    found = []
    for place, value in enumerate((None, True)):
        verdict = lambda context, agent, given, value=value: value  # noqa: E731  a guardrail as short as can be
        for kind, guard in (("input", sdk.InputGuardrail(verdict)), ("output", sdk.OutputGuardrail(verdict))):
            agent = bench.agent(model=bench.lane(f"{kind}{place}", "done"), **{f"{kind}_guardrails": [guard]})
            found.append(await bench.raised(bench.run(agent)))
    bench.expect(lambda: all(isinstance(each, AttributeError) for each in found))
    return [type(each).__name__ for each in found]
