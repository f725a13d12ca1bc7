"""What the next agent sees: filters and nested history."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.conformance.answers import call, say, think, transfer
from tests.conformance.registry import scenario

NEST = {"nest_handoff_history": True}


def _without_tools(data: Any) -> Any:
    kept = ("message_output_item", "reasoning_item")
    return dataclasses.replace(
        data,
        pre_handoff_items=tuple(item for item in data.pre_handoff_items if item.type in kept),
        new_items=tuple(item for item in data.new_items if item.type in kept),
    )


@scenario("a filter of the handoff", 78, 79, final="from B", requests=3)
async def filter_of_handoff(sdk: Any, bench: Any) -> Any:
    def shape(data: Any) -> Any:
        bench.log(type(data.input_history).__name__, len(data.pre_handoff_items), len(data.new_items))
        bench.log(data.run_context is not None, [item.type for item in data.new_items])
        return _without_tools(data)

    def not_used(data: Any) -> Any:
        raise AssertionError("the handoff's own filter comes first")

    bench.script(call("t"), [say("over"), transfer("B")], "from B")
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[sdk.handoff(bench.agent("B"), input_filter=shape)])
    result = await bench.run(agent, config={"handoff_input_filter": not_used})
    bench.expect(lambda: len(bench.bodies()[2]["input"]) == 2)
    return result


@scenario("a filter of the run", 78, final="from B")
async def filter_of_run(sdk: Any, bench: Any) -> Any:
    async def shape(data: Any) -> Any:
        return _without_tools(data)

    bench.script([call("t"), say("over"), transfer("B")], "from B")
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[bench.agent("B")])
    return await bench.run(agent, config={"handoff_input_filter": shape})


@scenario("a filter that rewrites the history", 79, final="from B")
async def rewritten_history(sdk: Any, bench: Any) -> Any:
    def shape(data: Any) -> Any:
        return dataclasses.replace(data, input_history=({"role": "user", "content": "rewritten"},))

    bench.script(call("t"), transfer("B"), "from B")
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[sdk.handoff(bench.agent("B"), input_filter=shape)])
    result = await bench.run(agent)
    bench.expect(lambda: result.input == [{"role": "user", "content": "rewritten"}] or isinstance(result.input, tuple))
    return [result, list(result.input)]


@scenario("a filter that returns something else", 78, raises="UserError")
async def bad_filter_result(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "never")
    to_b = sdk.handoff(bench.agent("B"), input_filter=lambda data: "something else")
    return await bench.run(bench.agent(handoffs=[to_b]), hooks=bench.run_hooks())


@scenario("a filter that cannot be called", 78, raises="UserError")
async def filter_not_callable(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "never")
    return await bench.run(bench.agent(handoffs=[bench.agent("B")]), config={"handoff_input_filter": "no"})


@scenario("input items of a filter", 80, final="from B", requests=4)
async def input_items(sdk: Any, bench: Any) -> Any:
    def shape(data: Any) -> Any:
        kept = tuple(item for item in data.new_items if item.type != "message_output_item")
        return dataclasses.replace(data, pre_handoff_items=(), input_items=kept)

    bench.script(call("t"), [say("over"), transfer("B")], call("u"), "from B")
    second = bench.agent("B", tools=[bench.tool("u")])
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[sdk.handoff(second, input_filter=shape)])
    result = await bench.run(agent)
    bench.expect(lambda: len(result.new_items) > 5)
    return [result, result.to_input_list(mode="normalized")]


@scenario("the ready-made filter that removes all tools", 78, final="from B")
async def remove_all_tools(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), [say("over"), transfer("B")], "from B")
    to_b = sdk.handoff(bench.agent("B"), input_filter=sdk.remove_all_tools)
    return await bench.run(bench.agent(tools=[bench.tool("t")], handoffs=[to_b]))


@scenario("a filter also holds for the turns after it", 79, final="from B", requests=5)
async def filter_holds(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), transfer("B"), call("u"), call("u", text="2"), "from B")
    second = bench.agent("B", tools=[bench.tool("u")])
    to_b = sdk.handoff(second, input_filter=_without_tools)
    return await bench.run(bench.agent(tools=[bench.tool("t")], handoffs=[to_b]))


@scenario("nested history", 81, 82, final="from B", requests=3)
async def nested(sdk: Any, bench: Any) -> Any:
    bench.script([think(), call("t", text="x")], [say("over"), transfer("B")], "from B")
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[bench.agent("B")])
    result = await bench.run(agent, config={"nest_handoff_history": True})
    bench.expect(lambda: "<CONVERSATION HISTORY>" in str(bench.bodies()[2]["input"]))
    return [result, result.to_input_list(mode="normalized")]


@scenario("nested history that a handoff asks for", 81, final="from B")
async def nested_by_handoff(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), transfer("B"), "from B")
    to_b = sdk.handoff(bench.agent("B"), nest_handoff_history=True)
    return await bench.run(bench.agent(tools=[bench.tool("t")], handoffs=[to_b]))


@scenario("nested history that a handoff does not want", 81, final="from B")
async def not_nested_by_handoff(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), transfer("B"), "from B")
    to_b = sdk.handoff(bench.agent("B"), nest_handoff_history=False)
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[to_b])
    return await bench.run(agent, config={"nest_handoff_history": True})


@scenario("a filter keeps history from being nested", 81, final="from B")
async def filter_over_nesting(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), transfer("B"), "from B")
    to_b = sdk.handoff(bench.agent("B"), input_filter=_without_tools)
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[to_b])
    return await bench.run(agent, config={"nest_handoff_history": True})


@scenario("history that is nested twice", 82, final="from C", requests=5)
async def nested_twice(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), transfer("B"), [say("B speaks"), call("u")], transfer("C"), "from C")
    second = bench.agent("B", tools=[bench.tool("u")], handoffs=[bench.agent("C")])
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[second])
    result = await bench.run(agent, config={"nest_handoff_history": True})
    bench.expect(lambda: str(bench.bodies()[4]["input"]).count("<CONVERSATION HISTORY>") >= 1)
    return result


@scenario("a mapper of nested history", 83, final="from B", requests=2)
async def mapper(sdk: Any, bench: Any) -> Any:
    def shape(transcript: Any) -> Any:
        bench.log(len(transcript))
        return [{"role": "user", "content": f"{len(transcript)} items so far"}]

    bench.script([say("over"), transfer("B")], "from B")
    config = {"nest_handoff_history": True, "handoff_history_mapper": shape}
    result = await bench.run(bench.agent(handoffs=[bench.agent("B")]), config=config)
    bench.expect(lambda: len(bench.bodies()[1]["input"]) == 1)
    return result


@scenario("reasoning enters nested history as text alone", 84, final="from B")
async def nested_reasoning(sdk: Any, bench: Any) -> Any:
    bench.script([think("secret thought"), transfer("B")], "from B")
    agent = bench.agent(handoffs=[bench.agent("B")])
    result = await bench.run(agent, config={"nest_handoff_history": True})
    bench.expect(lambda: [one for one in bench.bodies()[1]["input"] if one.get("type") == "reasoning"] == [])
    return result


@scenario("markers of nested history of one's own", 81, final="from B", alone=True)
async def markers(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), transfer("B"), "from B")
    sdk.set_conversation_history_wrappers(start="<<", end=">>")
    try:
        agent = bench.agent(tools=[bench.tool("t")], handoffs=[bench.agent("B")])
        result = await bench.run(agent, config={"nest_handoff_history": True})
    finally:
        sdk.reset_conversation_history_wrappers()
    bench.expect(lambda: "<<" in str(bench.bodies()[2]["input"]))
    return result


@scenario("filters with a conversation that the server keeps", 85, raises="UserError")
async def filter_with_server_managed(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "never")
    to_b = sdk.handoff(bench.agent("B"), input_filter=_without_tools)
    return await bench.run(bench.agent(handoffs=[to_b]), conversation_id="conv_1")


@scenario("nesting with a conversation that the server keeps", 85, final="from B")
async def nesting_with_server_managed(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), transfer("B"), "from B")
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[bench.agent("B")])
    return await bench.run(agent, conversation_id="conv_1", config={"nest_handoff_history": True})


@scenario("nested history of input of all kinds", 81, 82, final="from B", requests=2)
async def nested_input(sdk: Any, bench: Any) -> Any:
    given = [
        {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "input_text", "text": "c"}]},
        {"type": "function_call", "call_id": "c0", "name": "t", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c0", "output": "earlier"},
    ]  # fmt: skip
    bench.script([say("over"), transfer("B")], "from B")
    result = await bench.run(bench.agent(handoffs=[bench.agent("B")]), given, config=NEST)
    return [result, result.to_input_list(mode="normalized")]


@scenario("nested history over three agents that speak", 81, 82, final="from A", requests=6)
async def nested_over_three(sdk: Any, bench: Any) -> Any:
    bench.script(
        [say("hm"), call("t")], [say("to B"), transfer("B")], [think(), call("t")], [say("to C"), transfer("C")],
        [say("back"), transfer("A")], "from A",
    )  # fmt: skip
    tools = [bench.tool("t")]
    first, second, third = (bench.agent(name, tools=tools) for name in "ABC")
    first.handoffs, second.handoffs, third.handoffs = [second], [third], [first]
    result = await bench.run(first, config=NEST)
    return [result, result.to_input_list(mode="normalized")]


@scenario("nested history beside an unknown tool and another handoff", 54, 71, 81, 84, final="from B", requests=3)
async def nested_beside_others(sdk: Any, bench: Any) -> Any:
    bench.script(
        [think(), call("t", "x1")], [say("x"), call("u", "x2"), transfer("B", "x3"), transfer("C", "x4")], "from B"
    )
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[bench.agent("B"), bench.agent("C")])
    result = await bench.run(agent, config={**NEST, "tool_not_found_behavior": "return_error_to_model"})
    return [result, result.to_input_list(mode="normalized")]


@scenario("nested history, then a wait, then the next run", 81, 86, final="again", requests=4)
async def nested_then_wait(sdk: Any, bench: Any) -> Any:
    bench.script([say("over"), transfer("B")], [say("may I?"), call("t")], "from B", "again")
    second = bench.agent("B", tools=[bench.tool("t", needs_approval=True)])
    agent = bench.agent(handoffs=[second])
    waiting = await bench.run(agent, config=NEST)
    result = await bench.approve_all(agent, waiting, config=NEST)
    more = [*result.to_input_list(), {"role": "user", "content": "more"}]
    return [waiting, result, await bench.run(second, more, config=NEST)]


@scenario("nested history after a wait", 82, 84, 109, final="from B", requests=2)
async def nested_after_wait(sdk: Any, bench: Any) -> Any:
    bench.script([say("x"), call("t"), transfer("B")], "from B")
    agent = bench.agent(tools=[bench.tool("t", needs_approval=True)], handoffs=[bench.agent("B")])
    return await bench.approve_all(agent, await bench.run(agent, config=NEST), config=NEST)


@scenario("what mappers of nested history return", 83)
async def mapper_results(sdk: Any, bench: Any) -> Any:
    message = {"role": "user", "content": "mapped"}
    found = []
    for place, value in enumerate(((message,), [], [message, message])):
        model = bench.lane(f"lane{place}", transfer("B"), "from B")
        config = {**NEST, "handoff_history_mapper": lambda transcript, value=value: value}
        agent = bench.agent(model=model, handoffs=[bench.agent("B", model=model)])
        found.append(await bench.ended(bench.run(agent, config=config)))
    return found


@scenario("filters of two handoffs", 79, 80, final="from C", requests=5)
async def two_filters(sdk: Any, bench: Any) -> Any:
    def rewrite(data: Any) -> Any:
        bench.log(type(data.input_history).__name__, len(data.pre_handoff_items), len(data.new_items))
        rewritten = ({"role": "user", "content": "rewritten"},)
        return dataclasses.replace(data, input_history=rewritten, pre_handoff_items=data.pre_handoff_items[1:])

    def shorten(data: Any) -> Any:
        bench.log(len(data.pre_handoff_items), len(data.new_items), data.input_items is None)
        return dataclasses.replace(data, input_items=data.new_items[-2:])

    bench.script(call("t"), transfer("B"), call("u"), transfer("C"), "from C")
    to_c = sdk.handoff(bench.agent("C"), input_filter=shorten)
    second = bench.agent("B", tools=[bench.tool("u")], handoffs=[to_c])
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[sdk.handoff(second, input_filter=rewrite)])
    result = await bench.run(agent)
    return [result, result.to_input_list(mode="normalized")]


@scenario("a filter that leaves calls without their outputs", 79, 80, final="from B", requests=3)
async def calls_without_outputs(sdk: Any, bench: Any) -> Any:
    def shape(data: Any) -> Any:
        kept = tuple(item for item in data.pre_handoff_items if item.type != "tool_call_output_item")
        return dataclasses.replace(data, pre_handoff_items=kept)

    bench.script([think("one"), think("two"), call("t"), say("x")], [say("over"), transfer("B")], "from B")
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[sdk.handoff(bench.agent("B"), input_filter=shape)])
    result = await bench.run(agent)
    bench.expect(lambda: [item.get("type") for item in bench.bodies()[2]["input"]].count("function_call") == 1)
    return result
