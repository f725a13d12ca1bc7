"""Handlers that make an answer of an error."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tests.conformance.answers import call, refuse, say, think
from tests.conformance.registry import scenario


class Summary(BaseModel):
    text: str


@scenario("a handler of the limit", 173, final="enough", requests=1)
async def limit_handler(sdk: Any, bench: Any) -> Any:
    def enough(given: Any) -> Any:
        data = given.run_data
        bench.log(type(given.error).__name__, len(data.new_items), len(data.history), len(data.output))
        bench.log(len(data.raw_responses), data.last_agent.name, data.input, given.context.usage.requests)
        return sdk.RunErrorHandlerResult(final_output="enough")

    bench.script(call("t"), "never")
    agent = bench.agent(
        tools=[bench.tool("t")], hooks=bench.agent_hooks(), output_guardrails=[bench.output_guardrail()]
    )
    return await bench.run(agent, max_turns=1, error_handlers={"max_turns": enough})


@scenario("an async handler that gives a plain value", 174, final="enough", requests=1)
async def plain_value(sdk: Any, bench: Any) -> Any:
    async def enough(given: Any) -> Any:
        return "enough"

    bench.script(call("t"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t")]), max_turns=1, error_handlers={"max_turns": enough})


@scenario("a handler that gives a mapping", 174, final="enough", requests=1)
async def mapping(sdk: Any, bench: Any) -> Any:
    def enough(given: Any) -> Any:
        return {"final_output": "enough", "include_in_history": False}

    bench.script(call("t"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t")]), max_turns=1, error_handlers={"max_turns": enough})


@scenario("a handler that gives a wrong mapping", 174, raises="UserError", requests=1)
async def wrong_mapping(sdk: Any, bench: Any) -> Any:
    def enough(given: Any) -> Any:
        return {"final_output": "enough", "more": 1}

    bench.script(call("t"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t")]), max_turns=1, error_handlers={"max_turns": enough})


@scenario("a handler that declines", 174, raises="MaxTurnsExceeded", requests=1, log=["tool t -", "asked"])
async def declines(sdk: Any, bench: Any) -> Any:
    def asked(given: Any) -> Any:
        bench.log("asked")

    bench.script(call("t"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t")]), max_turns=1, error_handlers={"max_turns": asked})


@scenario("a handler that raises", 173, raises="ZeroDivisionError", requests=1)
async def handler_raises(sdk: Any, bench: Any) -> Any:
    def broken(given: Any) -> Any:
        raise ZeroDivisionError("broken handler")

    bench.script(call("t"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t")]), max_turns=1, error_handlers={"max_turns": broken})


@scenario("a handler and an output type", 174, requests=1)
async def typed(sdk: Any, bench: Any) -> Any:
    def enough(given: Any) -> Any:
        return Summary(text="enough")

    bench.script(call("t"), "never")
    agent = bench.agent(tools=[bench.tool("t")], output_type=Summary)
    result = await bench.run(agent, max_turns=1, error_handlers={"max_turns": enough})
    bench.expect(lambda: result.final_output == Summary(text="enough"))
    return result


@scenario("a handler whose value does not fit the output type", 174, raises="UserError", requests=1)
async def does_not_fit(sdk: Any, bench: Any) -> Any:
    def enough(given: Any) -> Any:
        return {"final_output": 7}

    bench.script(call("t"), "never")
    agent = bench.agent(tools=[bench.tool("t")], output_type=Summary)
    return await bench.run(agent, max_turns=1, error_handlers={"max_turns": enough})


@scenario(
    "an output guardrail judges a handler's answer", 38, 173, raises="OutputGuardrailTripwireTriggered", requests=1
)
async def judged(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    agent = bench.agent(tools=[bench.tool("t")], output_guardrails=[bench.output_guardrail(trip=True)])
    return await bench.run(agent, max_turns=1, error_handlers={"max_turns": lambda given: "enough"})


@scenario("a handler of refusals", 175, final="let us talk", requests=1)
async def refusal_handler(sdk: Any, bench: Any) -> Any:
    def talk(given: Any) -> Any:
        bench.log(type(given.error).__name__, given.error.refusal, len(given.run_data.new_items))
        return "let us talk"

    bench.script([refuse("not that")], "never")
    return await bench.run(bench.agent(hooks=bench.agent_hooks()), error_handlers={"model_refusal": talk})


@scenario("a handler of refusals that stays out of the history", 175, final="let us talk", requests=1)
async def refusal_out_of_history(sdk: Any, bench: Any) -> Any:
    bench.script([refuse("not that")], "never")
    answer = sdk.RunErrorHandlerResult(final_output="let us talk", include_in_history=False)
    return await bench.run(bench.agent(), error_handlers={"model_refusal": lambda given: answer})


@scenario("a handler of output that does not fit", 176, requests=1)
async def invalid_output(sdk: Any, bench: Any) -> Any:
    def repair(given: Any) -> Any:
        bench.log(type(given.error).__name__, len(given.run_data.new_items), len(given.run_data.raw_responses))
        return Summary(text="repaired")

    bench.script([think(), say("no JSON")], "never")
    agent = bench.agent(output_type=Summary)
    result = await bench.run(agent, error_handlers={"invalid_final_output": repair})
    bench.expect(lambda: result.final_output == Summary(text="repaired"))
    return result


@scenario("a handler of output that does not fit, and an empty answer", 176, requests=1)
async def empty_output(sdk: Any, bench: Any) -> Any:
    bench.script([think()], "never")
    agent = bench.agent(output_type=Summary)
    return await bench.run(agent, error_handlers={"invalid_final_output": lambda given: Summary(text="repaired")})


@scenario("a handler of output does not catch unknown tools", 176, raises="ModelBehaviorError", requests=1)
async def not_for_unknown_tools(sdk: Any, bench: Any) -> Any:
    bench.script(call("unknown"), "never")
    handlers = {"invalid_final_output": lambda given: Summary(text="x"), "max_turns": lambda given: "x"}
    return await bench.run(bench.agent(output_type=Summary), error_handlers=handlers)


@scenario("a handler of the limit after a wait", 173, final="enough", requests=1, log=["tool pay -"])
async def handler_after_pause(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"), "never")
    handlers = {"max_turns": lambda given: "enough"}
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent, max_turns=1, error_handlers=handlers)
    return await bench.approve_all(agent, result, error_handlers=handlers)
