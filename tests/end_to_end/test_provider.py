"""Runs against an OpenAI-compatible server: the real client, and every way in which a provider fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from perdure import Agent, ModelBehaviorError, Runner, ToolCallItem, WebSearchTool
from tests.activities.loopback import CLOSE, CUT, Loopback, completed, text_item
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


@pytest.mark.parametrize("failing", ["429 with Retry-After", "500", "503", CLOSE, CUT])
async def test_what_may_pass_is_tried_again(provider: Loopback, failing: str) -> None:
    if failing in (CLOSE, CUT):
        provider.replies.append(failing)
    else:
        provider.reply({"error": {"message": "later"}}, int(failing[:3]), retry_after="1")
    provider.reply(completed([text_item("at last")]))
    assert (await Runner.run(agent, "go")).final_output == "at last"
    assert len(provider.received) == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, openai.BadRequestError), (401, openai.AuthenticationError), (404, openai.NotFoundError)],
)
async def test_what_cannot_pass_ends_the_run_at_once(provider: Loopback, status: int, error: type[Exception]) -> None:
    provider.reply({"error": {"message": "no such model"}}, status)
    with pytest.raises(error, match="no such model"):
        await Runner.run(agent, "go")
    assert len(provider.received) == 1


async def test_an_answer_that_failed_or_is_incomplete_is_never_a_result(provider: Loopback) -> None:
    provider.reply(
        completed([text_item("half")], status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    )
    with pytest.raises(ModelBehaviorError, match="incomplete"):
        await Runner.run(agent, "go")


async def test_tools_that_the_provider_runs_pass_through_unharmed(provider: Loopback) -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "new": [1]}}
    provider.reply(completed([search]))
    provider.reply(completed([text_item("found")]))
    result = await Runner.run(Agent(name="Searcher", model="gpt-4o", tools=[WebSearchTool()]), "search")
    assert provider.received[0].body["tools"][0]["type"] == "web_search"
    assert provider.received[1].body["input"][1] == search
    assert isinstance(result.new_items[0], ToolCallItem)
    assert result.new_items[0].raw_item.action.type == "search"


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
