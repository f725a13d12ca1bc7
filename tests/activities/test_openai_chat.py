"""The Chat Completions provider sends and reads what the Agents SDK's does."""

from __future__ import annotations

import json
from typing import Any

import agents
import pytest
from agents.models.interface import ModelTracing
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel

from activities.providers.failures import UnusableAnswer
from activities.providers.openai_chat import OpenAIChat, completion_body
from perdure.canonical import canonical
from perdure.errors import ModelBehaviorError, UserError
from perdure.model import ModelAnswer, ModelRequest
from perdure.model_settings import MCPToolChoice, ModelSettings

from .loopback import Loopback, text_item
from .test_openai_responses import ADD, FORMAT, Number, add

IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AA"}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "add", "arguments": ""}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "2"}
USER = {"role": "user", "content": "hi"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
FIELD = {"_chat_completions_reasoning_field": "reasoning", "model": "deepseek-r"}

CONVERSATIONS: dict[str, list[dict[str, Any]]] = {
    "roles": [{"role": role, "content": role} for role in ("system", "developer", "user", "assistant")],
    "typed": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
    "an answer": [USER, text_item("hello"), USER],
    "two texts": [USER, {**text_item("a"), "content": [*text_item("a")["content"], *text_item("b")["content"]]}],
    "a refusal": [USER, {**text_item(""), "content": [{"type": "refusal", "refusal": "no"}]}, USER],
    "a call": [USER, CALL, OUTPUT],
    "text, then calls": [USER, text_item("wait"), CALL, {**CALL, "call_id": "c2", "arguments": '{"a":1}'}, OUTPUT],
    "calls, then text": [USER, CALL, text_item("wait"), OUTPUT, USER],
    "calls, then two texts": [USER, CALL, text_item("wait"), text_item("more"), OUTPUT],
    "images": [{"role": "user", "content": [{**IMAGE, "detail": "original"}, IMAGE, {"type": "text", "text": "?"}]}],
    "an image in the API's form": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}],
    "audio": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}]}],
    "a file": [{"role": "user", "content": [{"type": "input_file", "file_data": "AA", "filename": "a.pdf"}]}],
    "a file's id": [{"role": "user", "content": [{"type": "input_file", "file_id": "file_1"}]}],
    "an output in parts": [CALL, {**OUTPUT, "output": [{"type": "input_text", "text": "2"}, IMAGE]}],
    "an output without text": [CALL, {**OUTPUT, "output": [IMAGE]}],
    "a file search": [USER, {"type": "file_search_call", "id": "fs_1", "queries": ["q"], "status": "completed"}],
    "thoughts": [USER, THOUGHT, text_item("hello"), CALL, OUTPUT],
    "thoughts before a call": [USER, THOUGHT, CALL, OUTPUT],
    "thoughts without a turn": [USER, THOUGHT, USER, text_item("hello")],
    "another's thoughts": [USER, {**THOUGHT, "provider_data": {"model": "other"}}, CALL, OUTPUT],
    "its own thoughts": [
        USER, {**THOUGHT, "content": [{"type": "reasoning_text", "text": "so"}], "provider_data": FIELD}, CALL, OUTPUT,
    ],
    "a signature": [USER, {**CALL, "provider_data": {"thought_signature": "s"}}, OUTPUT],
    "a cache mark": [{"role": "user", "content": [{"type": "input_text", "text": "x", "prompt_cache_breakpoint": {}}]}],
}  # fmt: skip

SETTINGS: dict[str, dict[str, Any]] = {
    "none": {},
    "numbers": {"temperature": 0.0, "top_p": 0.5, "max_tokens": 9, "frequency_penalty": 0.1, "presence_penalty": 0.2},
    "auto": {"tool_choice": "auto", "parallel_tool_calls": True},
    "required": {"tool_choice": "required", "parallel_tool_calls": False},
    "a function": {"tool_choice": "add"},
    "reasoning": {"reasoning": {"effort": "low", "summary": "auto"}, "verbosity": "low"},
    "storage": {"store": True, "prompt_cache_retention": "24h", "metadata": {"k": "v"}},
    "probabilities": {"top_logprobs": 2},
    "probabilities twice": {"top_logprobs": 2, "extra_args": {"logprobs": False}},
    "not of this API": {"truncation": "auto", "response_include": ["x"], "include_usage": True},
    "extras": {"extra_body": {"n": 1}, "extra_args": {"seed": 7}},
    "extra query and headers": {"extra_query": {"v": "1"}, "extra_headers": {"X-A": "b"}},
}  # fmt: skip


def completion(message: dict[str, Any], finish_reason: str = "stop", **more: Any) -> dict[str, Any]:
    details = {"prompt_tokens_details": {"cached_tokens": 1}, "completion_tokens_details": {"reasoning_tokens": 2}}
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, **details}
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason, **more}
    return {
        "id": "chatcmpl_1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }


def request(items: list[dict[str, Any]], model: str = "m", **values: Any) -> ModelRequest:
    given: dict[str, Any] = {"instructions": "Be kind.", "tools": [], "settings": ModelSettings(), **values}
    return ModelRequest(model, input=[canonical(item) for item in items], **given)


async def ask_the_sdk(server: Loopback, items: list[Any], model: str = "m", **given: Any) -> Any:
    return await OpenAIChatCompletionsModel(model, server.client()).get_response(
        "Be kind.",
        json.loads(json.dumps(items)),
        given.get("settings", agents.ModelSettings()),
        given.get("tools", []),
        given.get("schema"),
        [],
        ModelTracing.DISABLED,
    )


@pytest.mark.parametrize("model", ["m", "deepseek-r", "gemini-3"])
@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_a_conversation_is_sent_as_by_the_agents_sdk(name: str, model: str) -> None:
    async with Loopback() as server:
        server.reply(completion({"content": "ok"}))
        await ask_the_sdk(server, CONVERSATIONS[name], model)
    assert completion_body(request(CONVERSATIONS[name], model)) == server.received[0].body


@pytest.mark.parametrize("with_tools", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
async def test_settings_are_sent_as_by_the_agents_sdk(name: str, with_tools: bool) -> None:
    values = SETTINGS[name]
    async with Loopback() as server:
        for _ in range(2):
            server.reply(completion({"content": "ok"}))
        tools, schema = ([add], Number()) if with_tools else ([], None)
        await ask_the_sdk(server, [USER], settings=agents.ModelSettings(**values), tools=tools, schema=schema)
        parts = {"tools": [ADD], "output_format": FORMAT} if with_tools else {}
        await OpenAIChat(server.client()).respond(request([USER], settings=ModelSettings(**values), **parts))
    theirs, mine = server.received
    assert (mine.path, mine.query, mine.body) == (theirs.path, theirs.query, theirs.body)
    assert mine.headers.get("x-a") == theirs.headers.get("x-a")


MESSAGES: dict[str, dict[str, Any]] = {
    "text": {"content": "hello"},
    "a refusal": {"content": None, "refusal": "no"},
    "calls": {
        "content": "wait",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}],
    },
    "a signed call": {
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "add", "arguments": "{}"},
                "extra_content": {"google": {"thought_signature": "s"}},
            }
        ]
    },
    "thoughts": {"content": "hello", "reasoning_content": "hm"},
    "thoughts of another name": {"content": "hello", "reasoning": "hm"},
    "thinking": {"content": "hello", "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]},
    "a citation": {
        "content": "hello",
        "annotations": [
            {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 1, "url": "u", "title": "t"}},
            {"type": "url_citation", "url_citation": {"url": "u"}},
        ],
    },
}


@pytest.mark.parametrize("name", MESSAGES)
async def test_an_answer_is_read_as_by_the_agents_sdk(name: str) -> None:
    async with Loopback() as server:
        for _ in range(2):
            server.reply(completion(MESSAGES[name]))
        theirs = await ask_the_sdk(server, [USER])
        mine = await OpenAIChat(server.client()).respond(request([USER]))
    assert mine.items == [item.model_dump(exclude_unset=True, mode="json") for item in theirs.output]
    assert mine.request_id == theirs.request_id
    assert (mine.usage.input_tokens, mine.usage.output_tokens, mine.usage.total_tokens) == (3, 4, 7)
    assert mine.usage.input_tokens_details.cached_tokens == 1
    assert mine.usage.output_tokens_details.reasoning_tokens == 2


async def answer_to(body: Any) -> ModelAnswer:
    async with Loopback() as server:
        server.reply(body)
        return await OpenAIChat(server.client()).respond(request([USER]))


async def test_token_probabilities_come_with_the_text() -> None:
    token = {"token": "a", "logprob": -0.1, "bytes": [97]}
    answer = await answer_to(completion({"content": "a"}, logprobs={"content": [{**token, "top_logprobs": [token]}]}))
    assert answer.items[0]["content"][0]["logprobs"] == [{**token, "top_logprobs": [token]}]


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_an_answer_that_was_cut_is_no_answer(reason: str) -> None:
    with pytest.raises(ModelBehaviorError, match="incomplete") as refused:
        await answer_to(completion({"content": "half"}, reason))
    assert not isinstance(refused.value, UnusableAnswer)


async def test_an_answer_that_was_withheld_whole_is_a_refusal() -> None:
    answer = await answer_to(completion({"content": None}, "content_filter"))
    assert answer.items[0]["content"][0]["type"] == "refusal"


@pytest.mark.parametrize("body", [{"choices": []}, {}, {"error": {"message": "busy"}}, [], b"<html>"])
async def test_an_answer_without_choices_may_come_out_better_next_time(body: Any) -> None:
    with pytest.raises(UnusableAnswer):
        await answer_to(body)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "item_reference", "id": "x"},
        {"type": "compaction", "id": "x", "encrypted_content": "x"},
        {"type": "web_search_call", "id": "x"},
        {**OUTPUT, "call_id": None},
        {"role": "critic", "content": "x"},
        {"role": "user", "content": [{"type": "input_file", "file_url": "u"}]},
        {"role": "user", "content": [{"type": "input_image", "file_id": "file_1"}]},
        {**text_item("x"), "content": [{"type": "output_audio"}]},
    ],
    ids=str,
)
async def test_what_cannot_be_said_in_this_api_is_refused_as_in_the_agents_sdk(item: dict[str, Any]) -> None:
    async with Loopback() as server:
        with pytest.raises(agents.UserError):
            await ask_the_sdk(server, [item])
    with pytest.raises(UserError):
        completion_body(request([item]))


@pytest.mark.parametrize("kept", ["previous_response_id", "conversation_id", "prompt"])
def test_what_only_the_responses_api_keeps_is_refused(kept: str) -> None:
    with pytest.raises(UserError, match=kept):
        completion_body(request([USER], **{kept: "x"}))


def test_hosted_tools_are_refused() -> None:
    with pytest.raises(UserError, match="web_search"):
        completion_body(request([USER], tools=[{"type": "web_search"}]))


@pytest.mark.parametrize("choice", [MCPToolChoice("docs", "search"), "programmatic_tool_calling"])
def test_a_choice_that_this_api_does_not_have_is_refused(choice: Any) -> None:
    with pytest.raises(UserError):
        completion_body(request([USER], settings=ModelSettings(tool_choice=choice)))


def test_strictly_an_output_without_text_is_refused() -> None:
    with pytest.raises(UserError, match="holds no text"):
        completion_body(request(CONVERSATIONS["an output without text"]), strict=True)


def test_openai_itself_keeps_answers_unless_told_otherwise() -> None:
    assert completion_body(request([USER]), official=True)["store"] is True
    assert completion_body(request([USER], settings=ModelSettings(store=False)), official=True)["store"] is False
