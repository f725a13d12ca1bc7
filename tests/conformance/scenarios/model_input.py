"""How a request is put together: calls without output, and items that come twice."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.conformance.answers import call, say, think, transfer
from tests.conformance.registry import scenario

LOOK = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}", "id": "fc_1"}
SEEN = {"type": "function_call_output", "call_id": "c1", "output": "seen"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}
MORE = {"role": "user", "content": "more"}
TOOL_OUTPUT = "tool_call_output_item"


def _without_outputs(data: Any) -> Any:
    """A filter that takes tools' outputs out and leaves their calls in."""
    return dataclasses.replace(
        data,
        pre_handoff_items=tuple(item for item in data.pre_handoff_items if item.type != TOOL_OUTPUT),
        new_items=tuple(item for item in data.new_items if item.type != TOOL_OUTPUT),
    )


def _kinds(body: dict[str, Any]) -> list[str]:
    return [item.get("type", "message") for item in body["input"]]


@scenario("a filter that takes an output away takes its call and its thought along", 78, 79, final="from B", requests=4)
async def orphan_of_filter(sdk: Any, bench: Any) -> Any:
    bench.script([think(), call("t")], [say("over"), transfer("B")], call("u"), "from B")
    second = bench.agent("B", tools=[bench.tool("u")])
    to_b = sdk.handoff(second, input_filter=_without_outputs)
    result = await bench.run(bench.agent(tools=[bench.tool("t")], handoffs=[to_b]))
    bench.expect(lambda: _kinds(bench.bodies()[2]) == ["message", "message", "function_call", "function_call_output"])
    return [result, result.to_input_list(mode="normalized")]


@scenario("thoughts before a call that stays and one that goes", 78, 79, final="from B", requests=3)
async def thoughts_of_orphans(sdk: Any, bench: Any) -> Any:
    def without_last_output(data: Any) -> Any:
        return dataclasses.replace(data, pre_handoff_items=data.pre_handoff_items[:-1])

    bench.script([think("a"), call("t"), think("b"), think("c"), call("u")], transfer("B"), "from B")
    to_b = sdk.handoff(bench.agent("B"), input_filter=without_last_output)
    agent = bench.agent(tools=[bench.tool("t"), bench.tool("u")], handoffs=[to_b])
    result = await bench.run(agent)
    bench.expect(lambda: _kinds(bench.bodies()[2]).count("reasoning") == 1)
    return [result, result.to_input_list(mode="normalized")]


@scenario("an output without its call stays", 78, 79, final="from B", requests=3)
async def output_alone(sdk: Any, bench: Any) -> Any:
    def without_calls(data: Any) -> Any:
        kept = tuple(item for item in data.pre_handoff_items if item.type != "tool_call_item")
        return dataclasses.replace(data, pre_handoff_items=kept)

    bench.script(call("t"), transfer("B"), "from B")
    to_b = sdk.handoff(bench.agent("B"), input_filter=without_calls)
    return await bench.run(bench.agent(tools=[bench.tool("t")], handoffs=[to_b]))


@scenario("two filters, the first of which leaves a call without output", 79, final="from C", requests=4)
async def orphan_of_two_filters(sdk: Any, bench: Any) -> Any:
    def look(data: Any) -> Any:
        bench.log([item.type for item in (*data.pre_handoff_items, *data.new_items)])
        return data

    bench.script(call("t"), transfer("B"), transfer("C"), "from C")
    second = bench.agent("B", handoffs=[sdk.handoff(bench.agent("C"), input_filter=look)])
    to_b = sdk.handoff(second, input_filter=_without_outputs)
    result = await bench.run(bench.agent(tools=[bench.tool("t")], handoffs=[to_b]))
    return [result, result.to_input_list(mode="normalized")]


@scenario("calls without output that the caller gives stay", 164, final="done", requests=2)
async def orphan_of_caller(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "done")
    return await bench.run(bench.agent(tools=[bench.tool("t")]), [MORE, THOUGHT, LOOK])


@scenario("calls without output that a filter puts into the input stay", 79, final="from B", requests=2)
async def orphan_in_input(sdk: Any, bench: Any) -> Any:
    def shape(data: Any) -> Any:
        return dataclasses.replace(data, input_history=(MORE, LOOK))

    bench.script(transfer("B"), "from B")
    return await bench.run(bench.agent(handoffs=[sdk.handoff(bench.agent("B"), input_filter=shape)]))


@scenario("calls whose output a model input filter takes away stay", 159, final="done", requests=2)
async def orphan_of_model_filter(sdk: Any, bench: Any) -> Any:
    def shape(data: Any) -> Any:
        kept = [item for item in data.model_data.input if item.get("type") != "function_call_output"]
        return sdk.ModelInputData(input=kept, instructions=data.model_data.instructions)

    bench.script(call("t"), "done")
    agent = bench.agent(tools=[bench.tool("t")])
    return await bench.run(agent, config={"call_model_input_filter": shape})


@scenario("items that come twice in the input", 164, final="done", requests=2)
async def twice_in_input(sdk: Any, bench: Any) -> Any:
    given = [MORE, THOUGHT, LOOK, SEEN, MORE, THOUGHT, LOOK, {**SEEN, "output": "seen again"}, MORE]
    bench.script(call("t"), "done")
    agent = bench.agent(tools=[bench.tool("t")], hooks=bench.agent_hooks())
    result = await bench.run(agent, given, hooks=bench.run_hooks())
    bench.expect(lambda: len(bench.bodies()[0]["input"]) == 6)
    return [result, result.to_input_list(mode="normalized")]


@scenario("items of other kinds that come twice in the input", 164, final="done", requests=1)
async def others_twice(sdk: Any, bench: Any) -> Any:
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    }
    asks = {"type": "mcp_approval_request", "id": "ask_1", "server_label": "s", "name": "f", "arguments": "{}"}
    answer = {"type": "mcp_approval_response", "approval_request_id": "ask_1", "approve": True}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": []}
    shell = {"type": "shell_call", "call_id": "c9", "id": "sh_1", "action": {"commands": ["ls"]}, "status": "completed"}
    said = {"type": "shell_call_output", "call_id": "c9", "output": []}
    nameless = {"type": "function_call", "id": "fc_9", "name": "x", "arguments": "{}"}
    first = [search, asks, answer, message, shell, said, nameless, {"type": "item_reference", "id": "x"}]
    later = [{**search, "status": "failed"}, {**asks, "name": "g"}, {**answer, "approve": False}, message]
    later += [{**shell, "id": "sh_2"}, {**said, "max_output_length": 9}, {**nameless, "name": "y"}]
    bench.script("done")
    return await bench.run(bench.agent(), [MORE, *first, MORE, *later, {"type": "item_reference", "id": "x"}])


@scenario("an output that a filter gives twice", 79, final="from B", requests=4)
async def twice_by_filter(sdk: Any, bench: Any) -> Any:
    def shape(data: Any) -> Any:
        items = (*data.pre_handoff_items, *data.new_items)
        return dataclasses.replace(data, input_history=(MORE, LOOK, SEEN, LOOK), input_items=items)

    bench.script([think(), call("t")], [say("over"), transfer("B")], call("u"), "from B")
    second = bench.agent("B", tools=[bench.tool("u")])
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[sdk.handoff(second, input_filter=shape)])
    result = await bench.run(agent)
    return [result, result.to_input_list(mode="normalized")]


@scenario("items that a model input filter gives twice", 159, final="done", requests=2)
async def twice_by_model_filter(sdk: Any, bench: Any) -> Any:
    def shape(data: Any) -> Any:
        given = data.model_data.input
        return sdk.ModelInputData(input=[*given, MORE, *given], instructions=data.model_data.instructions)

    bench.script([think(), call("t")], "done")
    agent = bench.agent(tools=[bench.tool("t")])
    return await bench.run(agent, config={"call_model_input_filter": shape}, hooks=bench.run_hooks())


@scenario("input items that come twice, then a filter", 79, 164, final="from B", requests=2)
async def twice_then_filter(sdk: Any, bench: Any) -> Any:
    def look(data: Any) -> Any:
        bench.log(len(data.input_history))
        return data

    bench.script(transfer("B"), "from B")
    agent = bench.agent(handoffs=[sdk.handoff(bench.agent("B"), input_filter=look)])
    result = await bench.run(agent, [MORE, LOOK, SEEN, LOOK, SEEN])
    return [result, result.to_input_list(mode="normalized")]


@scenario("items that come twice in a conversation that the server keeps", 155, final="done", requests=2)
async def twice_in_conversation(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "done")
    agent = bench.agent(tools=[bench.tool("t")])
    return await bench.run(agent, [MORE, LOOK, SEEN, LOOK, SEEN], conversation_id="conv_1")


@scenario("items that come twice in the input of an agent as a tool", 164, final="done", requests=3)
async def twice_in_agent_tool(sdk: Any, bench: Any) -> Any:
    inner = bench.agent("Inner").as_tool("inner", "Ask.", input_builder=lambda options: [MORE, LOOK, SEEN, LOOK, SEEN])
    bench.script(call("inner", input="q"), "in", "done")
    return await bench.run(bench.agent(tools=[inner]))


@scenario("a filter around input that comes twice, then a wait", 79, 86, final="from B", requests=3)
async def twice_then_wait(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), call("pay"), "from B")
    second = bench.agent("B", tools=[bench.tool("pay", needs_approval=True)])
    agent = bench.agent(handoffs=[sdk.handoff(second, input_filter=_without_outputs)])
    waiting = await bench.run(agent, [MORE, LOOK, SEEN, LOOK, SEEN])
    result = await bench.approve_all(agent, waiting)
    return [waiting, result, result.to_input_list(mode="normalized")]


@scenario("a call that comes again in the input with other arguments", 56, 164, final="done", requests=1)
async def again_with_other_arguments(sdk: Any, bench: Any) -> Any:
    other = {**LOOK, "arguments": '{"text": "other"}'}
    bench.script("done")
    result = await bench.run(bench.agent(), [MORE, LOOK, SEEN, other, {**SEEN, "output": "else"}])
    bench.expect(lambda: len(bench.bodies()[0]["input"]) == 3)
    return result
