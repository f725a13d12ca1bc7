"""The OpenAI Responses API, and every server that speaks it.

The conversation arrives as JSON bytes and leaves as the same bytes: the request's body is put together around them.
The openai client brings authentication, addresses and connections; its typed parameters, which walk through the whole
conversation on every request, are left aside, and so are its retries, which belong to Temporal.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, cast

from openai import AsyncAPIResponse, AsyncOpenAI, Timeout

from perdure.canonical import canonical
from perdure.errors import ModelBehaviorError, UserError
from perdure.model import ModelAnswer, ModelRequest
from perdure.settings import ModelSettings
from perdure.usage import Usage

from .failures import RETRYABLE_CODES, UnusableAnswer

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 600.0  # a reasoning model may be silent for minutes; the openai client's own default

# Settings and the body's names for them. The API has no frequency_penalty, presence_penalty and include_usage.
_BODY_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "truncation": "truncation",
    "max_tokens": "max_output_tokens",
    "store": "store",
    "prompt_cache_retention": "prompt_cache_retention",
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
_NOT_FOR_EXTRA_ARGS = ("input", "extra_headers", "extra_query", "extra_body")
_UNFINISHED = {
    "max_output_tokens": "Raise max_tokens in the agent's model settings, or ask for less.",
    "content_filter": "The provider's content filter cut the answer off.",
}


# What the openai client reads when it is made.
_ENVIRONMENT = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")


class OpenAIResponses:
    """Models of OpenAI, and of compatible servers through `OPENAI_BASE_URL`.

    Without a client one is made at the first request, from the environment of that moment, so that no key is needed
    to define agents or to start a worker; a key or address that changes in the environment is used from then on.

    Args:
        client: A client with settings of its own, as an Azure one. Whoever made it closes it.
    """

    def __init__(self, client: AsyncOpenAI | None = None) -> None:
        self._owns_client = client is None
        self._client = client.with_options(max_retries=0) if client else None
        self._made_from: tuple[str | None, ...] = ()

    async def respond(self, request: ModelRequest) -> ModelAnswer:
        """Answers one request.

        Raises:
            UserError: No key is set, or settings contradict each other.
            ModelBehaviorError: The model gave no complete answer.
            openai.OpenAIError: The provider refused, or could not be reached.
        """
        body = request_body(request)
        response = await (await self._current_client()).post(
            "/responses", cast_to=AsyncAPIResponse[bytes], content=body, options=_options(_settings(request))
        )
        return read_answer(await response.read(), response.headers.get("x-request-id"))

    async def _current_client(self) -> AsyncOpenAI:
        if self._client is not None and not self._owns_client:
            return self._client
        environment = tuple(os.environ.get(name) for name in _ENVIRONMENT)
        if self._client is None or environment != self._made_from:
            await self.close()
            self._client, self._made_from = _client_from_environment(), environment
        return self._client

    async def close(self) -> None:
        """Closes the connections; a client that was given stays open."""
        if self._client is not None and self._owns_client:
            await self._client.close()
            self._client = None


def _client_from_environment() -> AsyncOpenAI:
    key = os.environ.get("OPENAI_API_KEY")
    if not key and not os.environ.get("OPENAI_BASE_URL"):
        raise UserError(
            "The worker has no key for the model provider: set OPENAI_API_KEY in its environment, "
            "or OPENAI_BASE_URL to a compatible server that needs none."
        )
    timeout = Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
    # The client insists on a key; servers that need none take any.
    return AsyncOpenAI(api_key=key or "not-needed", max_retries=0, timeout=timeout)


def _options(settings: ModelSettings) -> Any:
    options: dict[str, Any] = {
        "headers": {"Content-Type": "application/json", **(settings.extra_headers or {})},
        "params": settings.extra_query or {},
        "security": {"bearer_auth": True},  # the API key, never an administrator's
    }
    if settings.extra_args and "timeout" in settings.extra_args:
        options["timeout"] = settings.extra_args["timeout"]
    return options


def _settings(request: ModelRequest) -> ModelSettings:
    return cast("ModelSettings", request.settings)


def request_body(request: ModelRequest) -> bytes:
    """The request as JSON; the conversation's bytes are copied, not read."""
    body = _body_without_input(request)
    body.update(_settings(request).extra_body or {})
    if body.get("stream") or body.get("background"):
        raise UserError(
            "The model settings ask for stream or background; a run waits for whole answers: leave them out."
        )
    if "input" in body:  # through extra_body, which overrides everything
        return canonical(body)
    return b'%b,"input":[%b]}' % (canonical(body)[:-1], b",".join(_sendable(request)))


def _body_without_input(request: ModelRequest) -> dict[str, Any]:
    settings = _settings(request)
    values = settings.to_json()
    body: dict[str, Any] = {"model": request.model, "include": _include(request), "tools": list(request.tools)}
    if request.instructions is not None:
        body["instructions"] = request.instructions
    body.update({_BODY_NAMES[name]: value for name, value in values.items() if name in _BODY_NAMES})
    if settings.tool_choice is not None:
        body["tool_choice"] = _tool_choice(settings.tool_choice, request)
    if settings.parallel_tool_calls is not None and request.tools:
        body["parallel_tool_calls"] = settings.parallel_tool_calls
    if settings.verbosity is not None:
        body["text"] = {"verbosity": settings.verbosity}
    extra = {name: value for name, value in (settings.extra_args or {}).items() if name != "timeout"}
    twice = sorted(name for name in extra if name in body or name in _NOT_FOR_EXTRA_ARGS)
    if twice:
        raise UserError(
            f"extra_args sets {', '.join(twice)}, which the request has already; use the setting's own name."
        )
    return body | extra


def _include(request: ModelRequest) -> list[str]:
    settings = _settings(request)
    logprobs = ["message.output_text.logprobs"] if settings.top_logprobs is not None else []
    return list(dict.fromkeys([*request.include, *(settings.response_include or []), *logprobs]))


def _tool_choice(choice: str | dict[str, Any], request: ModelRequest) -> str | dict[str, Any]:
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


def read_answer(content: bytes, request_id: str | None) -> ModelAnswer:
    """Reads an answer's body; its items stay as they came, also those of types that are not known here.

    Raises:
        UnusableAnswer: The body is no answer, or the provider failed in a way that may pass.
        ModelBehaviorError: The answer failed or is incomplete, and would be again.
    """
    try:
        answer: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnusableAnswer(
            f"The model provider's answer is not JSON ({error}) but {content[:200]!r}; "
            "check that OPENAI_BASE_URL is the API's address."
        ) from error
    if not isinstance(answer, dict):
        raise UnusableAnswer(f"The model provider's answer is no JSON object but {content[:200]!r}.")
    fields = cast("dict[str, Any]", answer)
    _check_status(fields)
    output: Any = fields.get("output")
    if not isinstance(output, list) or not all(isinstance(item, dict) for item in cast("list[Any]", output)):
        raise UnusableAnswer(f"The model provider's answer has no list of output items: {content[:200]!r}.")
    response_id = fields.get("id")
    return ModelAnswer(
        items=cast("list[dict[str, Any]]", output),
        usage=_usage(fields.get("usage")),
        response_id=response_id if isinstance(response_id, str) else None,
        request_id=request_id,
    )


def _check_status(answer: dict[str, Any]) -> None:
    status = answer.get("status")
    error = _object(answer.get("error"))
    if status == "failed" or (error and status != "completed"):
        kind = UnusableAnswer if error.get("code") in RETRYABLE_CODES else ModelBehaviorError
        raise kind(
            f"The model's answer failed ({error.get('code') or 'no code'}): {error.get('message') or 'no message'}"
        )
    if status == "incomplete":
        reason = _object(answer.get("incomplete_details")).get("reason") or "no reason given"
        raise ModelBehaviorError(f"The model's answer is incomplete ({reason}). {_UNFINISHED.get(reason, '')}".rstrip())
    if status in ("cancelled", "queued", "in_progress"):
        raise ModelBehaviorError(f"The model's answer is {status}, not completed; a run needs whole answers.")


def _usage(reported: Any) -> Usage:
    if not isinstance(reported, dict):
        return Usage(requests=1)
    fields = cast("dict[str, Any]", reported)
    usage = Usage.of_request(
        _count(fields, "input_tokens"),
        _count(fields, "output_tokens"),
        cached_tokens=_count(_object(fields.get("input_tokens_details")), "cached_tokens"),
        reasoning_tokens=_count(_object(fields.get("output_tokens_details")), "reasoning_tokens"),
    )
    total = _count(fields, "total_tokens")
    if total:  # the provider's word, which may count more than input and output
        usage.total_tokens = total
        for entry in usage.request_usage_entries:
            entry.total_tokens = total
    return usage


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _count(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    return value if type(value) is int and value > 0 else 0
