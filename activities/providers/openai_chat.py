"""The Chat Completions API of OpenAI and of the many servers that speak it; items of the Responses API in and out."""

from __future__ import annotations

import json
import logging
from typing import Any, cast

from openai import AsyncOpenAI

from perdure.canonical import canonical
from perdure.errors import UserError
from perdure.model import ModelAnswer, ModelRequest, Publish
from perdure.model_settings import MCPToolChoice, ModelSettings

from .chat_answers import read_completion
from .chat_messages import chat_messages
from .chat_streams import whole_completion
from .openai_client import OpenAIConnection
from .request_parts import with_extras

_log = logging.getLogger("perdure")

# Settings that the API calls by the same names; truncation, response_include and context_management it does not have.
_SAME_NAMES = (
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "max_tokens",
    "verbosity",
    "top_logprobs",
    "prompt_cache_retention",
    "prompt_cache_options",
    "metadata",
    "store",
)
_MODES = frozenset({"auto", "required", "none"})


class OpenAIChat:
    """Models behind the Chat Completions API.

    Args:
        client: A client with settings of its own. Whoever made it closes it.
        strict: Refuse what the API has no place for and the Agents SDK leaves out with a warning.
    """

    def __init__(self, client: AsyncOpenAI | None = None, *, strict: bool = False) -> None:
        self._connection = OpenAIConnection(client)
        self._strict = strict

    async def respond(self, request: ModelRequest) -> ModelAnswer:
        """Answers one request.

        Raises:
            UserError: No key is set, or the request holds what this API has no place for.
            ModelBehaviorError: The model gave no complete answer.
            openai.OpenAIError: The provider refused, or could not be reached.
        """
        request = await self._connection.known_there(request)
        official = await self._connection.is_official()
        body = completion_body(request, official=official, strict=self._strict)
        settings = cast("ModelSettings", request.settings)
        keep = bool(settings.preserve_raw_usage)
        if request.publish is not None:
            body |= _stream_fields(settings, official=official)
            return await self._streamed(canonical(body), request, request.publish, keep_raw_usage=keep)
        content, request_id = await self._connection.post("/chat/completions", canonical(body), settings)
        return read_completion(content, request_id, request.model or "", keep_raw_usage=keep)

    async def _streamed(
        self, body: bytes, request: ModelRequest, publish: Publish, *, keep_raw_usage: bool
    ) -> ModelAnswer:
        model = request.model or ""
        async with self._connection.stream("/chat/completions", body, request.settings) as answer:
            if not answer.is_stream:
                return read_completion(await answer.whole(), answer.request_id, model, keep_raw_usage=keep_raw_usage)
            told = (answer.chunks, publish, answer.request_id, model)
            return await whole_completion(*told, keep_raw_usage=keep_raw_usage)

    async def close(self) -> None:
        """Closes the connections; a client that was given stays open."""
        await self._connection.close()


def completion_body(request: ModelRequest, *, official: bool = False, strict: bool = False) -> dict[str, Any]:
    """The request as the API's JSON.

    Args:
        request: What is asked.
        official: The server is OpenAI's, which keeps answers as the Responses API does, unless told otherwise.
        strict: Refuse what the API has no place for.
    """
    _refuse_state(request)
    settings = cast("ModelSettings", request.settings)
    model = request.model or ""
    values = settings.to_json()
    body: dict[str, Any] = {"model": model, **{name: values[name] for name in _SAME_NAMES if name in values}}
    if official:
        body.setdefault("store", True)
    effort = _effort(values.get("reasoning") or {}, strict)
    if effort is not None:
        body["reasoning_effort"] = effort
    if settings.top_logprobs is not None and "logprobs" not in (settings.extra_args or {}):
        body["logprobs"] = True
    body |= _tools(request, settings)
    if request.output_format is not None:
        body["response_format"] = _response_format(request.output_format)
    body = with_extras(body, settings, "messages")
    if request.prompt_cache_key is not None:
        body.setdefault("prompt_cache_key", request.prompt_cache_key)
    if "messages" not in body:  # else through extra_body, which overrides everything
        items = [json.loads(item) for item in request.input]
        system = [{"role": "system", "content": request.instructions}] if request.instructions else []
        body["messages"] = system + chat_messages(items, model, strict=strict)
    return body


def _stream_fields(settings: ModelSettings, *, official: bool) -> dict[str, Any]:
    """What asks for a stream; the tokens that it used are told at its end where they are asked for."""
    asked = settings.include_usage
    if asked is None:
        asked = True if official else None
    return {"stream": True} | ({} if asked is None else {"stream_options": {"include_usage": asked}})


def _refuse_state(request: ModelRequest) -> None:
    names = ("previous_response_id", "conversation_id", "prompt")
    kept = [name for name in names if getattr(request, name) is not None]
    if kept:
        raise UserError(
            f"The Chat Completions API keeps nothing, so {', '.join(kept)} cannot be sent; "
            "use a model of the Responses API."
        )


def _effort(reasoning: dict[str, Any], strict: bool) -> Any:
    unknown = sorted(name for name in ("mode", "context") if reasoning.get(name) is not None)
    if unknown:
        said = f"The Chat Completions API has no reasoning.{' and no reasoning.'.join(unknown)}"
        if strict:
            raise UserError(f"{said}; leave it out, or use a model of the Responses API.")
        _log.warning("%s; it is left out.", said)
    return reasoning.get("effort")


def _tools(request: ModelRequest, settings: ModelSettings) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    if request.tools:
        parts["tools"] = [_tool(tool) for tool in request.tools]
        if settings.parallel_tool_calls is not None:
            parts["parallel_tool_calls"] = settings.parallel_tool_calls
    if settings.tool_choice is not None:
        parts["tool_choice"] = _tool_choice(settings.tool_choice)
    return parts


def _tool(wire: dict[str, Any]) -> dict[str, Any]:
    if wire.get("type") != "function" or wire.get("defer_loading"):
        raise UserError(
            f"The Chat Completions API offers functions only, not a tool of type {wire.get('type')!r}; "
            "take it out, or use a model of the Responses API."
        )
    function = {"name": wire["name"], "description": wire.get("description") or "", "parameters": wire["parameters"]}
    return {"type": "function", "function": {**function, "strict": wire.get("strict")}}


def _tool_choice(choice: Any) -> Any:
    if isinstance(choice, MCPToolChoice) or (isinstance(choice, dict) and "server_label" in choice):
        raise UserError("A tool of an MCP server cannot be chosen in the Chat Completions API; it has none.")
    if choice == "programmatic_tool_calling":
        raise UserError(f"tool_choice={choice!r} needs a model of the Responses API.")
    if isinstance(choice, dict) or choice in _MODES:
        return cast("Any", choice)
    return {"type": "function", "function": {"name": choice}}


def _response_format(output_format: dict[str, Any]) -> dict[str, Any]:
    if output_format.get("type") != "json_schema":
        return output_format
    schema = {name: value for name, value in output_format.items() if name != "type"}
    return {"type": "json_schema", "json_schema": schema}
