"""Conversations that the provider keeps."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import call, say, think, transfer
from tests.conformance.registry import scenario


def _sizes(bench: Any) -> list[tuple[int, Any, Any]]:
    bodies = bench.bodies()
    return [(len(body["input"]), body.get("conversation"), body.get("previous_response_id")) for body in bodies]


@scenario("a conversation id", 155, final="done", requests=3)
async def conversation(sdk: Any, bench: Any) -> Any:
    bench.script([think(), call("t")], [say("hm"), call("t", text="2"), call("t", text="3")], "done")
    result = await bench.run(bench.agent(tools=[bench.tool("t")]), conversation_id="conv_1")
    bench.expect(lambda: _sizes(bench) == [(1, "conv_1", None), (1, "conv_1", None), (2, "conv_1", None)])
    return result


@scenario("a previous response id", 156, final="done", requests=3)
async def previous_response(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), call("t", text="2"), "done")
    result = await bench.run(bench.agent(tools=[bench.tool("t")]), previous_response_id="resp_0")
    bench.expect(lambda: _sizes(bench) == [(1, None, "resp_0"), (1, None, "resp_main_1"), (1, None, "resp_main_2")])
    return result


@scenario("previous response ids from the first response on", 156, final="done", requests=2)
async def auto_previous_response(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "done")
    result = await bench.run(bench.agent(tools=[bench.tool("t")]), auto_previous_response_id=True)
    bench.expect(lambda: _sizes(bench) == [(1, None, None), (1, None, "resp_main_1")])
    return result


@scenario("no ids without being asked", 155, final="done", requests=2)
async def no_ids(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "done")
    result = await bench.run(bench.agent(tools=[bench.tool("t")]))
    bench.expect(lambda: _sizes(bench) == [(1, None, None), (3, None, None)])
    return result


@scenario("a handoff in a conversation that the server keeps", 155, final="from B", requests=2)
async def handoff_with_conversation(sdk: Any, bench: Any) -> Any:
    bench.script([say("over"), transfer("B")], "from B")
    return await bench.run(bench.agent(handoffs=[bench.agent("B", instructions="B")]), conversation_id="conv_1")


@scenario("a list as input of a conversation that the server keeps", 155, final="done", requests=2)
async def list_with_conversation(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "done")
    given = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    return await bench.run(bench.agent(tools=[bench.tool("t")]), given, conversation_id="conv_1")


@scenario("after a wait all outputs of the turn are sent", 158, 132, final="done", requests=2)
async def outputs_after_pause(sdk: Any, bench: Any) -> Any:
    bench.script([call("look"), call("pay")], "done")
    agent = bench.agent(tools=[bench.tool("look"), bench.tool("pay", needs_approval=True)])
    result = await bench.approve_all(agent, await bench.run(agent, conversation_id="conv_1"))
    bench.expect(lambda: _sizes(bench) == [(1, "conv_1", None), (2, "conv_1", None)])
    return result


@scenario("after a wait the previous response is known", 132, 158, final="done", requests=2)
async def previous_after_pause(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"), "done")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.approve_all(agent, await bench.run(agent, auto_previous_response_id=True))
    bench.expect(lambda: _sizes(bench)[1] == (1, None, "resp_main_1"))
    return result


@scenario("a model input filter in a conversation that the server keeps", 155, 159, final="done", requests=2)
async def filter_with_conversation(sdk: Any, bench: Any) -> Any:
    def shape(data: Any) -> Any:
        more = {"role": "user", "content": "by the filter"}
        return sdk.ModelInputData(input=[*data.model_data.input, more], instructions=data.model_data.instructions)

    bench.script(call("t"), "done")
    agent = bench.agent(tools=[bench.tool("t")])
    return await bench.run(agent, conversation_id="conv_1", config={"call_model_input_filter": shape})


@scenario("the ids of one run given to the next", 156, 165, final="two", requests=2)
async def chained_runs(sdk: Any, bench: Any) -> Any:
    bench.script("one", "two")
    first = await bench.run(bench.agent())
    second = await bench.run(bench.agent(), "more", previous_response_id=first.last_response_id)
    bench.expect(lambda: _sizes(bench)[1] == (1, None, "resp_main_1"))
    return [first, second]


@scenario("a conversation id and a previous response id", 155)
async def both_ids(sdk: Any, bench: Any) -> Any:
    bench.script("done", "done")
    try:
        return await bench.run(bench.agent(), conversation_id="conv_1", previous_response_id="resp_0")
    except Exception as error:  # noqa: BLE001  its class is what is compared
        return type(error).__name__


@scenario("output guardrails of the second agent of a kept conversation", 43, raises="UserError", requests=1)
async def guardrails_after_handoff(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "never")
    second = bench.agent("B", output_guardrails=[bench.output_guardrail()])
    return await bench.run(bench.agent(handoffs=[second]), conversation_id="conv_1")


@scenario("output guardrails of an agent as a tool in a kept conversation", 43, final="done", requests=2)
async def guardrails_of_agent_tool(sdk: Any, bench: Any) -> Any:
    inner = bench.agent("Inner", output_guardrails=[bench.output_guardrail()])
    bench.script(call("inner", input="q"), "done")
    tool = inner.as_tool("inner", "Ask.", conversation_id="conv_1", failure_error_function=lambda context, error: "no")
    return await bench.run(bench.agent(tools=[tool]))
