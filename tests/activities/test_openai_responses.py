"""The OpenAI provider sends what the Agents SDK sends, and reads answers without harming them."""

from __future__ import annotations

import json
from typing import Any

import agents
import pytest
from agents.model_settings import MCPToolChoice
from agents.models.interface import ModelTracing
from agents.models.openai_responses import OpenAIResponsesModel
from openai.types.shared import Reasoning

from activities.providers.failures import UnusableAnswer
from activities.providers.openai_responses import OpenAIResponses, request_body
from perdure.canonical import canonical
from perdure.errors import ModelBehaviorError, UserError
from perdure.model import ModelAnswer, ModelRequest
from perdure.model_settings import MCPToolChoice as OurChoice
from perdure.model_settings import ModelSettings
from perdure.usage import Usage

from .loopback import KEY, Loopback, completed, text_item

CONVERSATION: list[dict[str, Any]] = [
    {"content": "Zoë says \u2028 hi 👋", "role": "user"},
    {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "add", "arguments": '{"a": 1}', "status": "x"},
    {"type": "function_call_output", "call_id": "c1", "output": "null, true, 1e400 \\u0000"},
]


@agents.function_tool
def add(a: int) -> int:
    """Adds one."""
    return a + 1


ADD = {
    "type": "function",
    "name": "add",
    "description": "Adds one.",
    "strict": True,
    "parameters": add.params_json_schema,
}
IMAGE = {"type": "image_generation"}

SETTINGS: dict[str, dict[str, Any]] = {
    "none": {},
    "numbers": {"temperature": 0.0, "top_p": 0.5, "max_tokens": 100, "truncation": "auto"},
    "penalties": {"frequency_penalty": 0.1, "presence_penalty": 0.2, "include_usage": True},
    "auto": {"tool_choice": "auto", "parallel_tool_calls": True},
    "required": {"tool_choice": "required", "parallel_tool_calls": False},
    "no tool": {"tool_choice": "none"},
    "a function": {"tool_choice": "add"},
    "web search": {"tool_choice": "web_search"},
    "file search": {"tool_choice": "file_search"},
    "computer without the tool": {"tool_choice": "computer"},
    "shell without the tool": {"tool_choice": "shell"},
    "mcp": {"tool_choice": "mcp"},
    "reasoning": {"reasoning": Reasoning(effort="low", summary="auto"), "verbosity": "low"},
    "storage": {"store": False, "prompt_cache_retention": "24h", "metadata": {"k": "v"}},
    "include": {"response_include": ["reasoning.encrypted_content"], "top_logprobs": 3},
    "extra body": {"extra_body": {"temperature": 1.5, "new": {"deep": [1]}}, "temperature": 0.5},
    "extra arguments": {"extra_args": {"service_tier": "flex", "previous_response_id": "resp_0", "user": "u"}},
    "caches": {"prompt_cache_options": {"mode": "explicit"}, "context_management": [{"type": "compaction"}]},
    "extra query and headers": {"extra_query": {"api-version": "7"}, "extra_headers": {"X-Team": "blue"}},
}


def request(**changes: Any) -> ModelRequest:
    conversation = changes.pop("conversation", CONVERSATION)
    values: dict[str, Any] = {"model": "gpt-4o", "instructions": "Be kind.", "tools": [], "settings": ModelSettings()}
    return ModelRequest(**{**values, **changes}, input=[canonical(item) for item in conversation])


async def ask_the_sdk(server: Loopback, settings: agents.ModelSettings, tools: list[Any], **given: Any) -> Any:
    model = OpenAIResponsesModel("gpt-4o", server.client())
    return await model.get_response(
        given.get("instructions", "Be kind."),
        given.get("conversation", CONVERSATION),
        settings,
        tools,
        None,
        [],
        ModelTracing.DISABLED,
    )


def comparable(body: dict[str, Any]) -> dict[str, Any]:
    """The body with `include` sorted: the SDK sends a set."""
    return {**body, "include": sorted(body["include"])}


@pytest.mark.parametrize("with_tools", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
async def test_the_request_is_the_one_of_the_agents_sdk(name: str, with_tools: bool) -> None:
    async with Loopback() as server:
        server.reply(completed([]))
        server.reply(completed([]))
        sdk_tools: list[Any] = (
            [add, agents.ImageGenerationTool(tool_config={"type": "image_generation"})] if with_tools else []
        )
        await ask_the_sdk(server, agents.ModelSettings(**SETTINGS[name]), sdk_tools)
        ours = request(settings=ModelSettings(**SETTINGS[name]), tools=[ADD, IMAGE] if with_tools else [])
        await OpenAIResponses(server.client()).respond(ours)
    theirs, mine = server.received
    assert comparable(mine.body) == comparable(theirs.body)
    assert (mine.path, mine.query) == (theirs.path, theirs.query)
    for header in ("authorization", "content-type", "x-team"):
        assert mine.headers.get(header) == theirs.headers.get(header)


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
FORMAT = {"type": "json_schema", "name": "final_output", "schema": SCHEMA, "strict": True}
PROMPT: dict[str, Any] = {"id": "pmpt_1", "version": "2", "variables": {"who": "Zoë"}}


class Number(agents.AgentOutputSchemaBase):
    def is_plain_text(self) -> bool:
        return False

    def name(self) -> str:
        return "Number"

    def json_schema(self) -> dict[str, Any]:
        return SCHEMA

    def is_strict_json_schema(self) -> bool:
        return True

    def validate_json(self, json_str: str) -> Any:
        return json.loads(json_str)


@pytest.mark.parametrize("settings", [{}, {"verbosity": "low", "parallel_tool_calls": True}, {"tool_choice": "add"}])
@pytest.mark.parametrize(
    "parts",
    [
        {"schema": True},
        {"previous_response_id": "resp_0"},
        {"conversation_id": "conv_1", "schema": True},
        {"prompt": PROMPT},
        {"prompt": PROMPT, "with_tools": True},
    ],
    ids=str,
)
async def test_what_the_provider_keeps_is_named_as_in_the_agents_sdk(
    parts: dict[str, Any], settings: dict[str, Any]
) -> None:
    state = {name: parts.get(name) for name in ("previous_response_id", "conversation_id", "prompt")}
    with_tools = parts.get("with_tools", False)
    async with Loopback() as server:
        server.reply(completed([]))
        server.reply(completed([]))
        await OpenAIResponsesModel("gpt-4o", server.client()).get_response(
            "Be kind.",
            CONVERSATION,  # pyright: ignore[reportArgumentType]  plain JSON
            agents.ModelSettings(**settings),
            [add] if with_tools else [],
            Number() if "schema" in parts else None,
            [],
            ModelTracing.DISABLED,
            **state,  # pyright: ignore[reportArgumentType]  plain JSON
        )
        tools, shape = ([ADD] if with_tools else []), (FORMAT if "schema" in parts else None)
        ours = request(settings=ModelSettings(**settings), tools=tools, output_format=shape, **state)
        await OpenAIResponses(server.client()).respond(ours)
    theirs, mine = server.received
    assert comparable(mine.body) == comparable(theirs.body)


def test_a_prompt_may_name_the_model() -> None:
    body = json.loads(request_body(request(model=None, prompt=PROMPT)))
    assert "model" not in body
    assert body["prompt"] == PROMPT


def test_the_runs_cache_key_is_sent_unless_the_settings_have_one() -> None:
    own = ModelSettings(extra_args={"prompt_cache_key": "mine"})
    assert json.loads(request_body(request(prompt_cache_key="run-1")))["prompt_cache_key"] == "run-1"
    assert json.loads(request_body(request(prompt_cache_key="run-1", settings=own)))["prompt_cache_key"] == "mine"


async def test_the_runs_cache_key_is_for_openai_alone_as_in_the_agents_sdk() -> None:
    async with Loopback() as server:
        server.reply(completed([]))
        await OpenAIResponses(server.client()).respond(request(prompt_cache_key="run-1"))
    assert "prompt_cache_key" not in server.received[0].body


async def test_the_providers_own_count_is_kept_where_the_settings_ask_for_it() -> None:
    async with Loopback() as server:
        server.reply(completed([]))
        server.reply(completed([]))
        provider = OpenAIResponses(server.client())
        kept = await provider.respond(request(settings=ModelSettings(preserve_raw_usage=True)))
        assert kept.raw_usage == completed([])["usage"]
        assert (await provider.respond(request())).raw_usage is None


async def test_an_mcp_tool_is_chosen_as_in_the_agents_sdk() -> None:
    async with Loopback() as server:
        server.reply(completed([]))
        choice = MCPToolChoice(server_label="docs", name="search")
        await ask_the_sdk(server, agents.ModelSettings(tool_choice=choice), [])
    for ours in ({"server_label": "docs", "name": "search"}, OurChoice("docs", "search")):
        body = json.loads(request_body(request(settings=ModelSettings(tool_choice=ours))))
        assert body["tool_choice"] == server.received[0].body["tool_choice"]


async def test_traces_of_other_providers_are_left_out_as_in_the_agents_sdk() -> None:
    conversation: list[dict[str, Any]] = [
        {"role": "user", "content": 'quoting "provider_data" is fine'},
        {"type": "reasoning", "id": "rs_1", "summary": [], "provider_data": {"model": "x"}},
        {**text_item("hi"), "id": "__fake_id__", "provider_data": {"model": "x"}},
        {"type": "reasoning", "id": "rs_2", "summary": []},
    ]
    async with Loopback() as server:
        server.reply(completed([]))
        await ask_the_sdk(server, agents.ModelSettings(), [], conversation=json.loads(json.dumps(conversation)))
    assert json.loads(request_body(request(conversation=conversation)))["input"] == server.received[0].body["input"]


async def test_no_instructions_are_left_out_as_in_the_agents_sdk() -> None:
    async with Loopback() as server:
        server.reply(completed([]))
        await ask_the_sdk(server, agents.ModelSettings(), [], instructions=None, conversation=[])
    assert json.loads(request_body(request(instructions=None, conversation=[]))) == server.received[0].body


def test_the_conversations_bytes_are_sent_as_they_are() -> None:
    item = b'{"role":"user",  "content":"1.50"}'  # not canonical, so any rewriting would show
    body = request_body(ModelRequest("m", None, [item], [], ModelSettings()))
    assert b'"input":[' + item + b"]" in body


@pytest.mark.parametrize(
    ("choice", "tool_type", "sent"),
    [
        ("computer_use", "computer", "computer"),
        ("computer", "computer_use_preview", "computer_use_preview"),
        ("shell", "shell", "shell"),
        ("apply_patch", "apply_patch", "apply_patch"),
    ],
)
def test_a_choice_can_name_a_hosted_tool_that_the_request_has(choice: str, tool_type: str, sent: str) -> None:
    ours = request(settings=ModelSettings(tool_choice=choice), tools=[{"type": tool_type}])
    assert json.loads(request_body(ours))["tool_choice"] == {"type": sent}


def test_what_the_tools_want_included_is_asked_for_once() -> None:
    settings = ModelSettings(response_include=["file_search_call.results", "other"])
    body = json.loads(request_body(request(settings=settings, include=["file_search_call.results"])))
    assert body["include"] == ["file_search_call.results", "other"]


@pytest.mark.parametrize("given", [{"temperature": 1}, {"model": "x"}, {"input": []}, {"extra_body": {}}])
def test_a_value_given_twice_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(given))):
        request_body(request(settings=ModelSettings(temperature=0.5, extra_args=given)))


@pytest.mark.parametrize("where", ["extra_args", "extra_body"])
def test_streaming_cannot_be_asked_for_in_passing(where: str) -> None:
    with pytest.raises(UserError, match="whole answers"):
        request_body(request(settings=ModelSettings(**{where: {"stream": True}})))


def test_extra_body_can_replace_the_conversation() -> None:
    body = json.loads(request_body(request(settings=ModelSettings(extra_body={"input": "hi"}))))
    assert body["input"] == "hi"


async def test_items_come_back_as_they_came() -> None:
    output = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x", "status": None},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "invented_tomorrow", "deep": {"null": None, "float": 1.5}},
        text_item("half a pair \ud83d"),
    ]
    async with Loopback() as server:
        server.reply(completed(output))
        answer = await OpenAIResponses(server.client()).respond(request())
    usage = Usage.of_request(10, 5, cached_tokens=4, reasoning_tokens=2)
    assert answer == ModelAnswer(output, usage, "resp_1", "req_9", model="m")


async def test_usage_is_counted_as_in_the_agents_sdk() -> None:
    reported = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 17}
    reported |= {"input_tokens_details": {"cached_tokens": 4}, "output_tokens_details": {"reasoning_tokens": 2}}
    async with Loopback() as server:
        server.reply(completed([], usage=reported))
        server.reply(completed([], usage=reported))
        theirs = (await ask_the_sdk(server, agents.ModelSettings(), [])).usage
        mine = (await OpenAIResponses(server.client()).respond(request())).usage
    for count in ("requests", "input_tokens", "output_tokens", "total_tokens"):
        assert getattr(mine, count) == getattr(theirs, count)
    assert mine.input_tokens_details.cached_tokens == theirs.input_tokens_details.cached_tokens
    assert mine.output_tokens_details.reasoning_tokens == theirs.output_tokens_details.reasoning_tokens
    assert mine.request_usage_entries[0].total_tokens == 17


@pytest.mark.parametrize("status", ["failed", "incomplete"])
async def test_an_answer_that_the_agents_sdk_refuses_is_refused(status: str) -> None:
    error = {"code": "invalid_prompt", "message": "No."} if status == "failed" else None
    details = {"reason": "max_output_tokens"} if status == "incomplete" else None
    body = completed([text_item("par")], status=status, error=error, incomplete_details=details)
    async with Loopback() as server:
        server.reply(body)
        server.reply(body)
        with pytest.raises(agents.ModelBehaviorError):
            await ask_the_sdk(server, agents.ModelSettings(), [])
        with pytest.raises(ModelBehaviorError, match=r"invalid_prompt|Raise max_tokens") as refused:
            await OpenAIResponses(server.client()).respond(request())
    assert not isinstance(refused.value, UnusableAnswer)


async def test_the_key_is_read_at_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    provider = OpenAIResponses()
    with pytest.raises(UserError, match="set OPENAI_API_KEY"):
        await provider.respond(request())
    async with Loopback() as server:
        server.reply(completed([]))
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        await provider.respond(request())
        await provider.close()
    assert server.received[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_server_of_ones_own_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with Loopback() as server:
        server.reply(completed([]))
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        provider = OpenAIResponses()
        await provider.respond(request())
        await provider.close()
    assert server.received[0].headers["authorization"] == "Bearer not-needed"


async def test_a_failed_request_is_not_repeated_by_the_client() -> None:
    async with Loopback() as server:
        server.reply({"error": {"message": "down"}}, status=503)
        server.reply(completed([]))
        with pytest.raises(Exception, match="down"):
            await OpenAIResponses(server.client()).respond(request())
    assert len(server.received) == 1


async def test_a_given_client_stays_open() -> None:
    async with Loopback() as server:
        server.reply(completed([]))
        client = server.client()
        provider = OpenAIResponses(client)
        await provider.close()
        await provider.respond(request())
        assert not client.is_closed()
        await client.close()
