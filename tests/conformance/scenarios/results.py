"""Results, usage, and model calls that are repeated."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import Failure, call, said, say, think, transfer
from tests.conformance.registry import scenario

NO_TOKENS = {
    "input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "input_tokens_details": {"cached_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 0},
}  # fmt: skip


@scenario("the list of a run continues the conversation", 164, final="two", requests=3)
async def continued(sdk: Any, bench: Any) -> Any:
    bench.script([think(), call("t")], "one", "two")
    agent = bench.agent(tools=[bench.tool("t")])
    first = await bench.run(agent)
    bench.expect(lambda: first.to_input_list() == first.to_input_list(mode="normalized"))
    return [first, await bench.run(agent, [*first.to_input_list(), {"role": "user", "content": "more"}])]


@scenario("the responses of a run", 165, final="done", requests=3)
async def responses(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), transfer("B"), "done")
    result = await bench.run(bench.agent(tools=[bench.tool("t")], handoffs=[bench.agent("B")]))
    bench.expect(
        lambda: [one.response_id for one in result.raw_responses] == ["resp_main_1", "resp_main_2", "resp_main_3"]
    )
    return [result, [one.usage.total_tokens for one in result.raw_responses]]


@scenario("usage over agents, tools and nested runs", 167, 168, final="done", requests=4)
async def usage(sdk: Any, bench: Any) -> Any:
    inner = bench.agent("Inner", model=bench.lane("inner", "x"))
    bench.script(call("ask", input="q"), transfer("B"), "done")
    result = await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")], handoffs=[bench.agent("B")]))
    bench.expect(lambda: result.context_wrapper.usage.requests == 4)
    return result


@scenario("a response without tokens adds no entry", 168, final="done", requests=2)
async def no_tokens(sdk: Any, bench: Any) -> Any:
    bench.script(said(call("t"), usage=NO_TOKENS), "done")
    result = await bench.run(bench.agent(tools=[bench.tool("t")]))
    bench.expect(lambda: len(result.context_wrapper.usage.request_usage_entries) == 1)
    return result


@scenario("a response without usage", 168, final="done", requests=1)
async def no_usage(sdk: Any, bench: Any) -> Any:
    bench.script(said("done", usage=None))
    return await bench.run(bench.agent())


@scenario("a context wrapper given as context", 166, final="done", log=["shop 0", "shop 1"])
async def wrapper_as_context(sdk: Any, bench: Any) -> Any:
    def instructions(context: Any, agent: Any) -> str:
        bench.log(context.context["name"], context.usage.requests)
        return "Do."

    bench.script(call("t"), "done")
    tool = sdk.function_tool(lambda: "ok", name_override="t")
    wrapper = sdk.RunContextWrapper(context={"name": "shop"})
    return await bench.run(bench.agent(instructions=instructions, tools=[tool]), context=wrapper)


@scenario("a context that tools change", 166, final="done", log=["1", "2"], killable=False)
async def changed_context(sdk: Any, bench: Any) -> Any:
    def count(ctx: Any) -> str:
        ctx.context["count"] += 1
        bench.log(ctx.context["count"])
        return "counted"

    bench.script(call("count"), call("count"), "done")
    given = {"count": 0}
    result = await bench.run(bench.agent(tools=[bench.function(count)]), context=given)
    bench.expect(lambda: given == {"count": 2})
    return [result, given, result.context_wrapper.context]


@scenario("the text of messages", 165)
async def texts(sdk: Any, bench: Any) -> Any:
    bench.script([say("a", "b"), call("t")], [say("c"), say("d")])
    result = await bench.run(bench.agent(tools=[bench.tool("t")]))
    helpers = sdk.ItemHelpers
    messages = [item for item in result.new_items if item.type == "message_output_item"]
    found = [helpers.text_message_output(item) for item in messages]
    bench.expect(lambda: found == ["ab", "c", "d"])
    return [found, helpers.text_message_outputs(result.new_items), helpers.extract_last_content(messages[0].raw_item)]


@scenario("a model call that is repeated", 169, 170, final="done", requests=2)
async def retried(sdk: Any, bench: Any) -> Any:
    bench.script(Failure(503), "done")
    backoff = sdk.ModelRetryBackoffSettings(initial_delay=0.01, jitter=False)
    retry = sdk.ModelRetrySettings(max_retries=2, backoff=backoff, policy=sdk.retry_policies.http_status([503]))
    agent = bench.agent(model_settings=sdk.ModelSettings(retry=retry), hooks=bench.agent_hooks())
    return await bench.run(agent, max_turns=1)


@scenario("a model call that is repeated too often", 169, raises="InternalServerError", requests=2)
async def retried_too_often(sdk: Any, bench: Any) -> Any:
    bench.script(Failure(503), Failure(503), "never")
    backoff = sdk.ModelRetryBackoffSettings(initial_delay=0.01, jitter=False)
    retry = sdk.ModelRetrySettings(max_retries=1, backoff=backoff, policy=sdk.retry_policies.http_status([503]))
    return await bench.run(bench.agent(model_settings=sdk.ModelSettings(retry=retry)))


@scenario("a failure that the retry policy does not name", 169, raises="BadRequestError", requests=1)
async def not_retried(sdk: Any, bench: Any) -> Any:
    bench.script(Failure(400), "never")
    retry = sdk.ModelRetrySettings(max_retries=2, policy=sdk.retry_policies.http_status([503]))
    return await bench.run(bench.agent(model_settings=sdk.ModelSettings(retry=retry)))


@scenario("a retry policy of one's own", 169, final="done", requests=3)
async def own_policy(sdk: Any, bench: Any) -> Any:
    def policy(context: Any) -> bool:
        bench.log("policy", context.attempt, context.max_retries, context.normalized.status_code)
        return True

    bench.script(call("t"), Failure(429), "done")
    backoff = sdk.ModelRetryBackoffSettings(initial_delay=0.01, jitter=False)
    retry = sdk.ModelRetrySettings(max_retries=2, backoff=backoff, policy=policy)
    return await bench.run(bench.agent(model_settings=sdk.ModelSettings(retry=retry), tools=[bench.tool("t")]))


@scenario("a refused model call of a kept conversation is repeated", 171, final="done", requests=2)
async def stateful_retried(sdk: Any, bench: Any) -> Any:
    bench.script(Failure(503), "done")
    backoff = sdk.ModelRetryBackoffSettings(initial_delay=0.01, jitter=False)
    retry = sdk.ModelRetrySettings(max_retries=2, backoff=backoff, policy=sdk.retry_policies.http_status([503]))
    return await bench.run(bench.agent(model_settings=sdk.ModelSettings(retry=retry)), previous_response_id="resp_0")


@scenario("two runs at once", 139, requests=4, ordered=False)
async def two_runs(sdk: Any, bench: Any) -> Any:
    import asyncio

    first = bench.agent(model=bench.lane("one", call("t", text="1"), "one"), tools=[bench.tool("t", seconds=0.2)])
    second = bench.agent(model=bench.lane("two", call("t", text="2"), "two"), tools=[bench.tool("t", seconds=0.2)])
    return await asyncio.gather(bench.run(first), bench.run(second))
