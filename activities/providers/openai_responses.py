"""The OpenAI Responses API, and every server that speaks it.

The conversation arrives as JSON bytes and leaves as the same bytes: the request's body is put together around them.
The openai client brings authentication, addresses and connections; its typed parameters, which walk through the whole
conversation on every request, are left aside, and so are its retries, which belong to Temporal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from openai import AsyncOpenAI

from perdure.canonical import canonical
from perdure.model import ModelAnswer, ModelRequest, Publish
from perdure.model_settings import MCPToolChoice, ModelSettings, ToolChoice

from .openai_answers import read_answer
from .openai_client import OpenAIConnection
from .request_parts import with_extras
from .stored_conversations import adopt
from .streamed_answers import responses_events, whole_answer

# Settings and the body's names for them. The API has no frequency_penalty, presence_penalty and include_usage.
_BODY_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "truncation": "truncation",
    "max_tokens": "max_output_tokens",
    "store": "store",
    "prompt_cache_retention": "prompt_cache_retention",
    "prompt_cache_options": "prompt_cache_options",
    "context_management": "context_management",
    "reasoning": "reasoning",
    "metadata": "metadata",
    "top_logprobs": "top_logprobs",
}
_MODES = frozenset({"auto", "required", "none"})
# Choices that name a hosted tool whatever tools the request has; every other name is a function's.
_HOSTED_CHOICES = frozenset(
    {
        "code_interpreter",
        "computer_use_preview",
        "file_search",
        "image_generation",
        "mcp",
        "programmatic_tool_calling",
        "web_search",
        "web_search_preview",
    }
)
_COMPUTER_CHOICES = ("computer", "computer_use", "computer_use_preview")


class OpenAIResponses:
    """Models of OpenAI, and of compatible servers through `OPENAI_BASE_URL`.

    Args:
        client: A client with settings of its own, as an Azure one. Whoever made it closes it.
    """

    def __init__(self, client: AsyncOpenAI | None = None) -> None:
        self._connection = OpenAIConnection(client)

    async def respond(self, request: ModelRequest) -> ModelAnswer:
        """Answers one request.

        Raises:
            UserError: No key is set, or settings contradict each other.
            ModelBehaviorError: The model gave no complete answer.
            ConversationStateUnknown: The conversation does not tell whether this request arrived before.
            openai.OpenAIError: The provider refused, or could not be reached.
        """
        if request.is_repeated and request.conversation_id is not None:
            adopted = await adopt(await self._connection.client(), request)
            if adopted is not None:
                return adopted
        request = await self._connection.known_there(request)
        body, keep = request_body(request), bool(_settings(request).preserve_raw_usage)
        if request.publish is not None:
            return await self._streamed(body, _settings(request), request.publish, keep_raw_usage=keep)
        content, request_id = await self._connection.post("/responses", body, _settings(request))
        return read_answer(content, request_id, keep_raw_usage=keep)

    async def _streamed(
        self, body: bytes, settings: ModelSettings, publish: Publish, *, keep_raw_usage: bool
    ) -> ModelAnswer:
        async with self._connection.stream("/responses", body, settings) as answer:
            if not answer.is_stream:
                return read_answer(await answer.whole(), answer.request_id, keep_raw_usage=keep_raw_usage)
            events = responses_events(answer.chunks)
            return await whole_answer(events, publish, answer.request_id, keep_raw_usage=keep_raw_usage)

    async def close(self) -> None:
        """Closes the connections; a client that was given stays open."""
        await self._connection.close()


def _settings(request: ModelRequest) -> ModelSettings:
    return cast("ModelSettings", request.settings)


def request_body(request: ModelRequest) -> bytes:
    """The request as JSON; the conversation's bytes are copied, not read."""
    body = with_extras(_body_without_input(request), _settings(request), "input")
    if request.prompt_cache_key is not None:
        body.setdefault("prompt_cache_key", request.prompt_cache_key)
    if request.publish is not None:
        body["stream"] = True
    if "input" in body:  # through extra_body, which overrides everything
        return canonical(body)
    return b'%b,"input":[%b]}' % (canonical(body)[:-1], b",".join(_sendable(request)))


def _body_without_input(request: ModelRequest) -> dict[str, Any]:
    settings = _settings(request)
    body: dict[str, Any] = {"include": _include(request)}
    body.update({name: value for name, value in _given(request).items() if value is not None})
    body.update({_BODY_NAMES[name]: value for name, value in settings.to_json().items() if name in _BODY_NAMES})
    choice = None if settings.tool_choice is None else _tool_choice(settings.tool_choice, request)
    if request.prompt is None or request.tools:
        body["tools"] = list(request.tools)
    elif isinstance(choice, dict):
        choice = None  # it names a tool that only the prompt could have
    if choice is not None:
        body["tool_choice"] = choice
    if settings.parallel_tool_calls is not None and (request.tools or request.prompt is not None):
        body["parallel_tool_calls"] = settings.parallel_tool_calls
    text = {"format": request.output_format, "verbosity": settings.verbosity}
    if any(value is not None for value in text.values()):
        body["text"] = {name: value for name, value in text.items() if value is not None}
    return body


def _given(request: ModelRequest) -> dict[str, Any]:
    return {
        "model": request.model,
        "instructions": request.instructions,
        "previous_response_id": request.previous_response_id,
        "conversation": request.conversation_id,
        "prompt": request.prompt,
    }


def _include(request: ModelRequest) -> list[str]:
    settings = _settings(request)
    logprobs = ["message.output_text.logprobs"] if settings.top_logprobs is not None else []
    return list(dict.fromkeys([*request.include, *(settings.response_include or []), *logprobs]))


def _tool_choice(choice: ToolChoice, request: ModelRequest) -> str | dict[str, Any]:
    if isinstance(choice, MCPToolChoice):
        return {"type": "mcp", "server_label": choice.server_label, "name": choice.name}
    if isinstance(choice, dict):  # a server and a name choose an MCP tool; anything else is the API's own form
        return {"type": "mcp", **choice} if "server_label" in choice else choice
    if choice in _MODES:
        return choice
    types = {tool.get("type") for tool in request.tools}
    computer = types.intersection(_COMPUTER_CHOICES)
    if choice in _COMPUTER_CHOICES and computer:
        return {"type": computer.pop()}
    if choice in _HOSTED_CHOICES or (choice in ("shell", "apply_patch") and choice in types):
        return {"type": choice}
    return {"type": "function", "name": choice}


def _sendable(request: ModelRequest) -> Iterator[bytes]:
    """The conversation without what other providers' adapters left in it, which this API refuses."""
    for item in request.input:
        if b'"provider_data"' not in item and b'"__fake_id__"' not in item:
            yield item
            continue
        value: dict[str, Any] = json.loads(item)
        if value.get("type") == "reasoning" and value.get("provider_data"):
            continue  # another model's thoughts
        value.pop("provider_data", None)
        if value.get("id") == "__fake_id__":  # stands where a provider gives no ids
            del value["id"]
        yield canonical(value)
