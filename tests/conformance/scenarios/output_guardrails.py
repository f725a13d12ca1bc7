"""Guardrails on the final output."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tests.conformance.answers import call, say, think, transfer
from tests.conformance.registry import scenario

TRIPPED = "OutputGuardrailTripwireTriggered"


class Answer(BaseModel):
    text: str


@scenario("output guardrails of the last agent and of the run", 38, final="done", ordered=False,
          log=["output guardrail of B B 'done'", "output guardrail of run B 'done'"])  # fmt: skip
async def of_the_last_agent(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "done")
    second = bench.agent("B", output_guardrails=[bench.output_guardrail("of B")])
    first = bench.agent(handoffs=[second], output_guardrails=[bench.output_guardrail("of A")])
    return await bench.run(first, config={"output_guardrails": [bench.output_guardrail("of run")]})


@scenario("output guardrails run after the end hooks", 38, raises=TRIPPED,
          log=["agent:start A", "agent:llm_start A 1", "agent:llm_end A resp_main_1", "agent:end A 'no'",
               "output guardrail judge A 'no'"])  # fmt: skip
async def after_end_hooks(sdk: Any, bench: Any) -> Any:
    bench.script("no")
    return await bench.run(
        bench.agent(hooks=bench.agent_hooks(), output_guardrails=[bench.output_guardrail(trip=True)])
    )


@scenario("an output guardrail gets the parsed output", 38, log=["output guardrail judge A Answer(text='x')"])
async def parsed_output(sdk: Any, bench: Any) -> Any:
    bench.script('{"text": "x"}')
    return await bench.run(bench.agent(output_type=Answer, output_guardrails=[bench.output_guardrail()]))


@scenario(
    "an output guardrail of a tool-made answer", 38, 94, final="ok", log=["tool t -", "output guardrail judge A 'ok'"]
)
async def of_a_tool(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"))
    judges = [bench.output_guardrail()]
    return await bench.run(
        bench.agent(tools=[bench.tool("t")], tool_use_behavior="stop_on_first_tool", output_guardrails=judges)
    )


@scenario("an output guardrail that trips", 39, raises=TRIPPED, requests=2)
async def trip(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "bad")
    return await bench.run(bench.agent(tools=[bench.tool("t")], output_guardrails=[bench.output_guardrail(trip=True)]))


@scenario("an output guardrail that trips on a tool-made answer", 41, raises=TRIPPED, requests=1)
async def trip_on_tool_output(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"))
    judges = [bench.output_guardrail(trip=True)]
    return await bench.run(
        bench.agent(tools=[bench.tool("t", "secret")], tool_use_behavior="stop_on_first_tool", output_guardrails=judges)
    )


@scenario("an output guardrail that raises", 42, raises="ValueError", requests=1)
async def guardrail_raises(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    return await bench.run(bench.agent(output_guardrails=[bench.output_guardrail(error=ValueError("odd"))]))


@scenario("the first output guardrail to trip ends the run", 39, raises=TRIPPED, killable=False)
async def first_trip(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    judges = [bench.output_guardrail("slow", seconds=5.0), bench.output_guardrail("trips", trip=True, seconds=0.3)]
    return await bench.run(bench.agent(output_guardrails=judges))


@scenario("output guardrails with a conversation that the server keeps", 43, raises="UserError", requests=0)
async def with_server_managed_history(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    return await bench.run(bench.agent(output_guardrails=[bench.output_guardrail()]), conversation_id="conv_1")


@scenario("the results of output guardrails", 38)
async def results(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    result = await bench.run(bench.agent(output_guardrails=[bench.output_guardrail("a"), bench.output_guardrail("b")]))
    found = result.output_guardrail_results
    bench.expect(lambda: len(found) == 2)
    return [result, [[one.agent.name, one.agent_output] for one in found]]


@scenario("an output guardrail that trips after earlier turns and a handoff", 3, 38, 39, raises=TRIPPED, requests=3)
async def trip_after_turns(sdk: Any, bench: Any) -> Any:
    bench.script([think(), call("t")], transfer("B"), [say("a"), say("bad")])
    judges = [bench.output_guardrail("passes"), bench.output_guardrail("trips", trip=True, seconds=0.4)]
    second = bench.agent("B", output_guardrails=judges)
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[second])
    config = {"output_guardrails": [bench.output_guardrail("slow", seconds=5.0)]}
    return await bench.run(agent, config=config, hooks=bench.run_hooks())


@scenario("an output guardrail that raises before another trips", 39, 42, raises="ValueError")
async def raises_before_trip(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    raising = bench.output_guardrail("raises", error=ValueError("odd"), seconds=0.3)
    judges = [bench.output_guardrail("trips", trip=True, seconds=1.5), raising]
    return await bench.run(bench.agent(output_guardrails=judges))


@scenario("an output guardrail that cannot be called", 37, raises="UserError")
async def not_callable(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    return await bench.run(bench.agent(output_guardrails=[sdk.OutputGuardrail(guardrail_function="no", name="no")]))
