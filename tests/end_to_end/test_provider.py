"""Runs against an OpenAI-compatible server, with the real client; how it fails is in `activities/faults`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from perdure import Agent, Runner, ToolCallItem, WebSearchTool
from tests.activities.loopback import STALL, Loopback, completed, text_item
from tests.agents import add


@pytest_asyncio.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Loopback]:
    async with Loopback() as loopback:
        monkeypatch.setenv("OPENAI_BASE_URL", loopback.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody-sees-this-0123456789")
        yield loopback


def call(name: str, arguments: str) -> dict[str, Any]:
    return {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name, "arguments": arguments}


agent = Agent(name="Real", instructions="Be exact.", model="gpt-4o", tools=[add])


async def test_a_run_sends_what_the_sdk_sends(provider: Loopback) -> None:
    provider.reply(completed([call("add", '{"a":1,"b":2}')]))
    provider.reply(completed([text_item("3")]))
    result = await Runner.run(agent, "1 + 2?")
    assert result.final_output == "3"
    first, second = (received.body for received in provider.received)
    assert first["input"] == [{"content": "1 + 2?", "role": "user"}]
    assert (first["model"], first["instructions"], first["tools"][0]["name"]) == ("gpt-4o", "Be exact.", "add")
    output = {"call_id": "call_1", "output": "3", "type": "function_call_output"}
    assert second["input"] == [*first["input"], call("add", '{"a":1,"b":2}'), output]
    usage = result.context_wrapper.usage
    assert (usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens) == (8, 4)
    assert result.raw_responses[0].request_id == "req_9"


async def test_tools_that_the_provider_runs_pass_through_unharmed(provider: Loopback) -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "new": [1]}}
    provider.reply(completed([search]))
    provider.reply(completed([text_item("found")]))
    result = await Runner.run(Agent(name="Searcher", model="gpt-4o", tools=[WebSearchTool()]), "search")
    assert provider.received[0].body["tools"][0]["type"] == "web_search"
    assert provider.received[1].body["input"][1] == search
    assert isinstance(result.new_items[0], ToolCallItem)
    assert result.new_items[0].raw_item.action.type == "search"


async def test_a_request_of_a_run_that_is_interrupted_is_closed_and_made_again(provider: Loopback) -> None:
    provider.replies.append(STALL)
    provider.reply(completed([text_item("3")]))
    run = await Runner.start(agent, "1 + 2?")
    while not provider.received:  # noqa: ASYNC110  the server says nothing of it
        await asyncio.sleep(0.05)
    await run.interrupt()
    await asyncio.wait_for(provider.given_up.wait(), 30)
    await run.send("and quickly")
    assert (await run.result()).final_output == "3"
    assert provider.received[1].body["input"][1:] == [{"content": "and quickly", "role": "user"}]


async def test_words_of_an_answer_that_was_stopped_are_sent_with_the_next_request(provider: Loopback) -> None:
    item: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }
    events: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {
            "type": "response.output_text.delta",
            "output_index": 0,
            "content_index": 0,
            "item_id": "msg_1",
            "delta": "It is",
        },
    ]
    body = b"".join(b"event: x\ndata: " + json.dumps(event).encode() + b"\n\n" for event in events)
    provider.stream_and_stall(body)
    provider.reply(completed([text_item("3")]))
    streamed = Runner.run_streamed(agent, "1 + 2?")
    async for event in streamed.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            break
    run = await Runner.get(streamed.run_id)
    await run.interrupt("and quickly")
    assert (await run.result()).final_output == "3"
    said = {"type": "output_text", "text": "It is", "annotations": []}
    assert provider.received[1].body["input"][1:] == [
        {"type": "message", "role": "assistant", "status": "incomplete", "content": [said]},
        {"content": "and quickly", "role": "user"},
    ]


async def test_the_key_is_nowhere_in_the_history(provider: Loopback) -> None:
    from perdure.client.host import Host

    provider.reply({"error": {"message": "bad key sk-nobody-sees-this-0123456789"}}, 401)
    run = await Runner.start(agent, "go")
    with pytest.raises(openai.AuthenticationError):
        await run.result()
    host = Host.current()
    client = (await host.call(host.connection())).client
    history = await host.call(client.get_workflow_handle(run.id).fetch_history())
    assert "nobody-sees-this" not in history.to_json()
    assert all(b"nobody-sees-this" not in event.SerializeToString() for event in history.events)
