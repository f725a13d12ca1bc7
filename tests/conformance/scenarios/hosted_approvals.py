"""Calls of hosted MCP servers that wait, and what else survives a wait."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.conformance.answers import Failure, call, say, transfer
from tests.conformance.registry import scenario

SERVER = {"type": "mcp", "server_label": "docs", "server_url": "https://example.org/mcp", "require_approval": "always"}
ASKS = {"type": "mcp_approval_request", "id": "ask_1", "server_label": "docs", "name": "find", "arguments": '{"q":"x"}'}


@scenario("a hosted MCP call that waits", 112, 107, final=None, requests=1)
async def hosted_waits(sdk: Any, bench: Any) -> Any:
    bench.script([ASKS])
    return await bench.run(bench.agent(tools=[sdk.HostedMCPTool(tool_config=SERVER)]))


@scenario("a hosted MCP call that is approved", 112, final="found", requests=2)
async def hosted_approved(sdk: Any, bench: Any) -> Any:
    bench.script([ASKS], "found")
    agent = bench.agent(tools=[sdk.HostedMCPTool(tool_config=SERVER)])
    result = await bench.approve_all(agent, await bench.run(agent))
    bench.expect(lambda: bench.bodies()[1]["input"][-1]["approve"] is True)
    return result


@scenario("a hosted MCP call that is rejected", 112, final="not found", requests=2)
async def hosted_rejected(sdk: Any, bench: Any) -> Any:
    bench.script([ASKS], "not found")
    agent = bench.agent(tools=[sdk.HostedMCPTool(tool_config=SERVER)])
    result = await bench.run(agent)
    return await bench.resume(agent, result, lambda state: state.reject(result.interruptions[0]))


@scenario("a hosted MCP call that a callback decides", 112, final="found", log=["asked find"], requests=2)
async def hosted_callback(sdk: Any, bench: Any) -> Any:
    def decide(request: Any) -> Any:
        bench.log("asked", request.data.name)
        return {"approve": False, "reason": "not now"}

    bench.script([ASKS], "found")
    tool = sdk.HostedMCPTool(tool_config=SERVER, on_approval_request=decide)
    return await bench.run(bench.agent(tools=[tool]))


@scenario("a filter's rewrite survives a wait", 86, final="from B", requests=4)
async def rewrite_survives(sdk: Any, bench: Any) -> Any:
    def shape(data: Any) -> Any:
        history = ({"role": "user", "content": "rewritten"},)
        return dataclasses.replace(data, input_history=history, pre_handoff_items=(), new_items=data.new_items[-2:])

    bench.script(call("t"), [say("over"), transfer("B")], call("pay"), "from B")
    second = bench.agent("B", tools=[bench.tool("pay", needs_approval=True)])
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[sdk.handoff(second, input_filter=shape)])
    result = await bench.approve_all(agent, await bench.run(agent))
    bench.expect(lambda: bench.bodies()[3]["input"][0]["content"] == "rewritten")
    return result


@scenario("a refused request after an approved call", 126, raises="BadRequestError", log=["tool pay -"], requests=2)
async def refused_after_approval(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"), Failure(400), "never")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    return await bench.approve_all(agent, await bench.run(agent))


@scenario("the state of a refused run repeats no tool", 126, final="ok", log=["tool pay -"], requests=3, killable=False)
async def resumed_after_refusal(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"), Failure(400), "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    state = (await bench.run(agent)).to_state()
    state.approve(state.get_interruptions()[0])
    await bench.raised(bench.run(agent, state))
    return await bench.run(agent, state)


@scenario("a repeated request of a kept conversation sends the same", 157, 171, final="done", requests=3)
async def repeated_delta(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), Failure(503), "done")
    backoff = sdk.ModelRetryBackoffSettings(initial_delay=0.01, jitter=False)
    retry = sdk.ModelRetrySettings(max_retries=2, backoff=backoff, policy=sdk.retry_policies.http_status([503]))
    agent = bench.agent(tools=[bench.tool("t")], model_settings=sdk.ModelSettings(retry=retry))
    result = await bench.run(agent, previous_response_id="resp_0")
    bench.expect(lambda: bench.bodies()[1] == bench.bodies()[2] and len(bench.bodies()[1]["input"]) == 1)
    return result
