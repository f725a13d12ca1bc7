"""Models of other makers through litellm, whose package is optional."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from activities.providers.failures import classify
from activities.providers.litellm_models import Litellm
from perdure.canonical import canonical
from perdure.errors import ModelBehaviorError, UserError
from perdure.model import ModelRequest
from perdure.model_settings import ModelSettings
from perdure.models import LitellmModel

from .loopback import Loopback, completed, text_item
from .test_openai_responses import ADD

installed = importlib.util.find_spec("litellm") is not None
with_litellm = pytest.mark.skipif(not installed, reason='needs pip install "perdure[litellm]"')

CONVERSATION = [
    {"role": "user", "content": "1+1?"},
    {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a": 1}'},
    {"type": "function_call_output", "call_id": "c1", "output": "2"},
]
CLAUDE = "anthropic/claude-sonnet-4-20250514"


def request(**settings: Any) -> ModelRequest:
    items = [canonical(item) for item in CONVERSATION]
    return ModelRequest("x", "Be kind.", items, [ADD], ModelSettings(**settings))


def message(*content: Any, stop_reason: str = "end_turn") -> dict[str, Any]:
    usage = {"input_tokens": 5, "output_tokens": 3}
    fixed = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_sequence": None}
    return {**fixed, "content": list(content), "stop_reason": stop_reason, "usage": usage}


@pytest.mark.skipif(installed, reason="litellm is installed")
async def test_without_the_package_the_message_says_what_to_install() -> None:
    with pytest.raises(UserError, match=r'pip install "perdure\[litellm\]"'):
        await Litellm().respond(LitellmModel(CLAUDE), request())


@with_litellm
async def test_a_server_of_the_responses_api_gets_the_request_as_it_is() -> None:
    async with Loopback() as server:
        server.reply(completed([text_item("hello")]))
        model = LitellmModel("openai/m", base_url=server.url, api_key="k")
        answer = await Litellm().respond(model, request(max_tokens=32))
    body = server.received[0].body
    assert server.received[0].path == "/v1/responses"
    assert (body["model"], body["input"], body["max_output_tokens"]) == ("m", CONVERSATION, 32)
    assert answer.items[0]["content"][0]["text"] == "hello"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (10, 5)


@with_litellm
async def test_another_makers_model_is_asked_and_answers_in_items() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 2}}
    async with Loopback() as server:
        server.reply(message({"type": "text", "text": "Wait."}, call, stop_reason="tool_use"))
        model = LitellmModel(CLAUDE, base_url=server.url.removesuffix("/v1"), api_key="k")
        answer = await Litellm().respond(model, request(max_tokens=9))
    body = server.received[0].body
    assert (server.received[0].path, server.received[0].headers["x-api-key"]) == ("/v1/messages", "k")
    assert [one["role"] for one in body["messages"]] == ["user", "assistant", "user"]
    assert body["tools"][0]["name"] == "add"
    kinds = [item["type"] for item in answer.items]
    assert kinds == ["message", "function_call"]
    assert (answer.items[1]["call_id"], answer.items[1]["name"]) == ("toolu_1", "add")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, 3)


def streamed_message() -> list[bytes]:
    """An answer of Claude's in two words and a call, as its maker streams it."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}
    begun = {**message(), "stop_reason": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Wait"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " here."}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": call},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a": 2}'}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    ]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def words(published: list[Any]) -> list[str]:
    return [event["delta"] for event in published if event and event["type"] == "response.output_text.delta"]


@with_litellm
async def test_another_makers_model_is_streamed_where_somebody_watches() -> None:
    published: list[Any] = []
    async with Loopback() as server:
        server.reply(b"".join(streamed_message()), content_type="text/event-stream")
        model = LitellmModel(CLAUDE, base_url=server.url.removesuffix("/v1"), api_key="k")
        answer = await Litellm().respond(model, replace(request(), publish=published.append))
    assert server.received[0].body["stream"] is True
    assert words(published) == ["Wait", " here."]
    assert [item["type"] for item in answer.items] == ["message", "function_call"]
    assert answer.items[0]["content"][0]["text"] == "Wait here."
    assert json.loads(answer.items[1]["arguments"]) == {"a": 2}
    assert answer.usage.output_tokens == 3


@with_litellm
async def test_a_stream_that_breaks_off_is_no_answer_and_may_be_asked_for_again() -> None:
    published: list[Any] = []
    async with Loopback() as server:
        server.reply(b"".join(streamed_message()[:4]), content_type="text/event-stream")
        model = LitellmModel(CLAUDE, base_url=server.url.removesuffix("/v1"), api_key="k")
        with pytest.raises(Exception, match="Stream ended") as broken:
            await Litellm().respond(model, replace(request(), publish=published.append))
    assert words(published) == ["Wait", " here."]
    assert classify(broken.value, datetime.now(UTC)).retryable
    assert len(server.received) == 1


@with_litellm
async def test_an_answer_that_litellm_asks_for_as_a_whole_is_told_as_a_stream() -> None:
    published: list[Any] = []
    async with Loopback() as server:
        server.reply(completed([text_item("hello")]))
        model = LitellmModel("openai/m", base_url=server.url, api_key="k")
        answer = await Litellm().respond(model, replace(request(), publish=published.append))
    assert "".join(words(published)) == "hello"
    assert answer.items[0]["content"][0]["text"] == "hello"


@with_litellm
async def test_an_answer_that_was_cut_is_no_answer() -> None:
    async with Loopback() as server:
        server.reply(message({"type": "text", "text": "half"}, stop_reason="max_tokens"))
        model = LitellmModel(CLAUDE, base_url=server.url.removesuffix("/v1"), api_key="k")
        with pytest.raises(ModelBehaviorError, match="incomplete"):
            await Litellm().respond(model, request())


@with_litellm
@pytest.mark.parametrize(("status", "retryable"), [(401, False), (400, False), (429, True), (500, True), (529, True)])
async def test_a_refusal_is_judged_like_others_and_not_repeated(status: int, retryable: bool) -> None:
    async with Loopback() as server:
        server.reply({"type": "error", "error": {"type": "x", "message": "no"}}, status=status)
        model = LitellmModel(CLAUDE, base_url=server.url.removesuffix("/v1"), api_key="k")
        with pytest.raises(Exception, match="no") as refused:
            await Litellm().respond(model, request())
    assert classify(refused.value, datetime.now(UTC)).retryable is retryable
    assert len(server.received) == 1


@with_litellm
async def test_the_makers_wish_to_wait_is_followed() -> None:
    async with Loopback() as server:
        server.reply({"type": "error", "error": {"type": "x", "message": "no"}}, status=429, retry_after="7")
        model = LitellmModel(CLAUDE, base_url=server.url.removesuffix("/v1"), api_key="k")
        with pytest.raises(Exception, match="no") as refused:
            await Litellm().respond(model, request())
    assert classify(refused.value, datetime.now(UTC)).retry_after_seconds == 7.0


@with_litellm
async def test_litellm_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    async with Loopback() as server:
        server.reply({"error": {"message": "no"}}, status=500)
        model = LitellmModel(CLAUDE, base_url=server.url.removesuffix("/v1"), api_key="k")
        with pytest.raises(Exception, match="no"):
            await Litellm().respond(model, request())
    assert capsys.readouterr().out == ""
