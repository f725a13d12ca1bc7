"""What error handlers may give, and what they are told."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tests.conformance.answers import call, refuse, say, think, transfer
from tests.conformance.registry import scenario


class Summary(BaseModel):
    text: str


VALUES: dict[str, Any] = {
    "a number": 7, "a fraction": 1.5, "a list": [1, "a"], "an empty mapping": {}, "a mapping of other keys": {"a": 1},
    "a truth value": True, "zero": 0, "an empty text": "", "a mapping in a mapping": {"final_output": {"a": 1}},
    "nothing in a mapping": {"final_output": None}, "half an answer": {"include_in_history": False},
}  # fmt: skip


async def _handled(bench: Any, value: Any, **fields: Any) -> Any:
    bench.script(call("t"), "never")
    agent = bench.agent(tools=[bench.tool("t")], **fields)
    return await bench.run(agent, max_turns=1, error_handlers={"max_turns": lambda given: value})


def _register(name: str, value: Any) -> None:
    @scenario(f"a handler gives {name}", 174, requests=1)
    async def plain(sdk: Any, bench: Any) -> Any:
        return await _handled(bench, value)

    @scenario(f"a handler gives {name} as its result", 174, requests=1)
    async def in_result(sdk: Any, bench: Any) -> Any:
        return await _handled(bench, sdk.RunErrorHandlerResult(final_output=value, include_in_history=False))

    @scenario(f"a handler of a typed agent gives {name}", 174, raises="UserError", requests=1)
    async def typed(sdk: Any, bench: Any) -> Any:
        return await _handled(bench, value, output_type=Summary)


for _name, _value in VALUES.items():
    _register(_name, _value)


@scenario("a handler of a plain agent gives an object", 174, requests=1)
async def object_of_plain_agent(sdk: Any, bench: Any) -> Any:
    return await _handled(bench, Summary(text="x"))


@scenario("a handler of a typed agent gives a mapping of the right form", 174, requests=1)
async def right_form(sdk: Any, bench: Any) -> Any:
    result = await _handled(bench, {"final_output": {"text": "x"}}, output_type=Summary)
    bench.expect(lambda: result.final_output == Summary(text="x"))
    return result


@scenario("a handler of a typed agent gives JSON as a text", 174, raises="UserError", requests=1)
async def json_text(sdk: Any, bench: Any) -> Any:
    return await _handled(bench, {"final_output": '{"text": "x"}'}, output_type=Summary)


@scenario("a handler of a list type gives a list", 174, final=[1, 2], requests=1)
async def list_type(sdk: Any, bench: Any) -> Any:
    return await _handled(bench, [1, 2], output_type=list[int])


@scenario("handlers give long texts and values", 174, requests=3)
async def long_values(sdk: Any, bench: Any) -> Any:
    bench.script(*[call("t")] * 3)
    texts: list[Any] = ["x" * 100_000, {"final_output": "y" * 100_000, "include_in_history": False}]
    agents = [bench.agent(tools=[bench.tool("t")])] * 2
    agents.append(bench.agent(tools=[bench.tool("t")], output_type=list[str]))
    found: list[Any] = []
    for agent, value in zip(agents, [*texts, ["z" * 100_000]], strict=True):
        result = await bench.run(agent, max_turns=1, error_handlers={"max_turns": lambda given, value=value: value})
        found += [result.final_output, len(str(result.to_input_list())) > 100_000]
    bench.expect(lambda: [found[0], found[2], found[4]] == ["x" * 100_000, "y" * 100_000, ["z" * 100_000]])
    return found


@scenario("a handler of refusals whose value does not fit", 175, raises="UserError", requests=1)
async def refusal_does_not_fit(sdk: Any, bench: Any) -> Any:
    bench.script([refuse("no")])
    return await bench.run(bench.agent(output_type=Summary), error_handlers={"model_refusal": lambda given: "text"})


@scenario("a handler of refusals, after tools, with hooks and a guardrail", 175, requests=2)
async def refusal_after_tools(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), [think(), refuse("no")])
    agent = bench.agent(
        output_type=Summary, tools=[bench.tool("t")], hooks=bench.agent_hooks(),
        output_guardrails=[bench.output_guardrail()],
    )  # fmt: skip
    answer = {"final_output": Summary(text="t"), "include_in_history": True}
    return await bench.run(agent, hooks=bench.run_hooks(), error_handlers={"model_refusal": lambda given: answer})


@scenario("a handler of output that does not fit, out of the history", 176, requests=2)
async def invalid_out_of_history(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), [think(), say("no JSON")])
    agent = bench.agent(output_type=Summary, tools=[bench.tool("t")], hooks=bench.agent_hooks())
    answer = {"final_output": Summary(text="t"), "include_in_history": False}
    return await bench.run(agent, error_handlers={"invalid_final_output": lambda given: answer})


@scenario("handlers that decline, and what they were told", 173, 175, 176, requests=4)
async def declining(sdk: Any, bench: Any) -> Any:
    def told(given: Any) -> None:
        data = given.run_data
        bench.log(type(given.error).__name__, [item.type for item in data.new_items], len(data.history), data.input)
        bench.log([one.response_id for one in data.raw_responses], given.context.usage.requests)

    bench.script(call("t"), [think(), say("no JSON")], [refuse("not that")], call("t"))
    tools = [bench.tool("t")]
    handlers = {"invalid_final_output": told, "model_refusal": told, "max_turns": told}
    agent = bench.agent(output_type=Summary, tools=tools)
    errors = [await bench.raised(bench.run(agent, error_handlers=handlers))]
    errors.append(await bench.raised(bench.run(bench.agent(), error_handlers=handlers)))
    errors.append(await bench.raised(bench.run(bench.agent(tools=tools), max_turns=1, error_handlers=handlers)))
    bench.expect(lambda: [type(one).__name__ for one in errors] == [
        "ModelBehaviorError", "ModelRefusalError", "MaxTurnsExceeded"
    ])  # fmt: skip
    return errors


@scenario("a handler of the limit after a handoff", 173, final="enough", requests=3)
async def after_handoff(sdk: Any, bench: Any) -> Any:
    def enough(given: Any) -> str:
        data = given.run_data
        bench.log(data.last_agent.name, [item.type for item in data.new_items], len(data.history))
        return "enough"

    bench.script(call("t"), transfer("B"), call("t"))
    tools, judges = [bench.tool("t")], [bench.output_guardrail()]
    second = bench.agent("B", tools=tools, hooks=bench.agent_hooks("b"), output_guardrails=judges)
    agent = bench.agent(tools=tools, handoffs=[second], hooks=bench.agent_hooks("a"))
    given = [{"role": "user", "content": "x"}]
    return await bench.run(agent, given, max_turns=3, hooks=bench.run_hooks(), error_handlers={"max_turns": enough})


@scenario("a handler of a limit of no turns", 173, 6, final="none", requests=0)
async def no_turns(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    agent = bench.agent(hooks=bench.agent_hooks())
    return await bench.run(agent, max_turns=0, hooks=bench.run_hooks(), error_handlers={"max_turns": lambda _: "none"})


@scenario("a handler that changes the context", 173, 166, killable=False)
async def changes_context(sdk: Any, bench: Any) -> Any:
    def enough(given: Any) -> str:
        given.context.context["handled"] = 1
        return "enough"

    bench.script(call("t"))
    context = {"a": 1}
    agent = bench.agent(tools=[bench.tool("t")])
    result = await bench.run(agent, max_turns=1, context=context, error_handlers={"max_turns": enough})
    bench.expect(lambda: context == {"a": 1, "handled": 1})
    return [result, context]


@scenario("the list of a run that a handler ended", 173, 164, final="two", requests=2)
async def list_goes_on(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "two")
    handlers = {"max_turns": lambda given: "enough"}
    first = await bench.run(bench.agent(tools=[bench.tool("t")]), max_turns=1, error_handlers=handlers)
    return [first, await bench.run(bench.agent(), [*first.to_input_list(), {"role": "user", "content": "go"}])]


@scenario("a handler is not one of agents as tools", 139, 173, final="ok", requests=3)
async def not_inside(sdk: Any, bench: Any) -> Any:
    inner = bench.agent("Inner", model=bench.lane("inner", call("t")), tools=[bench.tool("t")])
    bench.script(call("ask", input="x"), "ok")
    agent = bench.agent(tools=[inner.as_tool("ask", "Asks.", max_turns=1)])
    return await bench.run(agent, error_handlers={"max_turns": lambda given: "enough"})
