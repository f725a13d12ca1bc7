"""The openai client behind a provider: one that was given, or one made from the worker's environment."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from openai import APIConnectionError, APITimeoutError, AsyncAPIResponse, AsyncOpenAI, AsyncStream, Timeout

from perdure.errors import UserError
from perdure.model import ModelRequest
from perdure.model_settings import ModelSettings
from perdure.models.defaults import openai_defaults

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 600.0  # a reasoning model may be silent for minutes; the openai client's own default

# What the openai client reads when it is made.
_ENVIRONMENT = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
_RAW = "X-Stainless-Raw-Response"  # asks the openai client for the response itself; part of what it sends, too
_OFFICIAL_HOST = "api.openai.com"


@dataclass(frozen=True, slots=True)
class StreamedBody:
    """An answer whose body comes bit by bit."""

    response: AsyncAPIResponse[bytes]
    chunks: AsyncIterator[bytes]

    @property
    def request_id(self) -> str | None:
        """The provider's id of the request."""
        return self.response.headers.get("x-request-id")

    @property
    def is_stream(self) -> bool:
        """Whether the server streams, as it was asked to: some answer as a whole all the same."""
        return "application/json" not in str(self.response.headers.get("content-type", "")).lower()

    async def whole(self) -> bytes:
        """All of the body."""
        return b"".join([chunk async for chunk in self.chunks])


class OpenAIConnection:
    """Posts JSON to an OpenAI-compatible server; retries are Temporal's.

    Without a client one is made at the first request, from the environment of that moment, so that no key is needed
    to define agents or to start a worker; a key or address that changes in the environment is used from then on.

    Args:
        client: A client with settings of its own, as an Azure one. Whoever made it closes it.
    """

    def __init__(self, client: AsyncOpenAI | None = None) -> None:
        self._owns_client = client is None
        self._client = client.with_options(max_retries=0) if client else None
        self._made_from: tuple[str | None, ...] = ()

    async def post(self, path: str, body: bytes, settings: ModelSettings) -> tuple[bytes, str | None]:
        """The answer's body and the id of the request.

        Raises:
            UserError: No key is set.
            openai.OpenAIError: The provider refused, or could not be reached.
        """
        client = await self.client()
        response = await client.post(path, cast_to=AsyncAPIResponse[bytes], content=body, options=_options(settings))
        return await response.read(), response.headers.get("x-request-id")

    @asynccontextmanager
    async def stream(self, path: str, body: bytes, settings: ModelSettings) -> AsyncGenerator[StreamedBody]:
        """The answer, whose body comes meanwhile.

        Raises:
            UserError: No key is set.
            openai.OpenAIError: The provider refused, could not be reached, or was lost before the body's end.
        """
        client = await self.client()
        options = _options(settings)
        options["headers"][_RAW] = "stream"
        response = await client.post(
            path,
            cast_to=AsyncAPIResponse[bytes],
            content=body,
            options=options,
            stream=True,
            stream_cls=AsyncStream[Any],
        )
        answer: Any = response  # as it is, because of that header
        streamed = StreamedBody(answer, answer.iter_bytes())
        try:
            yield streamed
        except Exception as error:
            raise _as_of_whole_answers(error, answer.http_request) from error
        finally:
            await answer.close()
            await _end(streamed.chunks)

    async def client(self) -> AsyncOpenAI:
        """The client that the next request is made with."""
        if self._client is not None and not self._owns_client:
            return self._client
        environment = (openai_defaults.key, *(os.environ.get(name) for name in _ENVIRONMENT))
        if self._client is None or environment != self._made_from:
            await self.close()
            self._client, self._made_from = _client_from_environment(), environment
        return self._client

    async def is_official(self) -> bool:
        """Whether the server is OpenAI's own."""
        return (await self.client()).base_url.host == _OFFICIAL_HOST

    async def known_there(self, request: ModelRequest) -> ModelRequest:
        """The request without the run's cache key where the server is not OpenAI's: another may refuse it."""
        if request.prompt_cache_key is None or await self.is_official():
            return request
        return replace(request, prompt_cache_key=None)

    async def close(self) -> None:
        """Closes the connections; a client that was given stays open."""
        if self._client is not None and self._owns_client:
            await self._client.close()
            self._client = None


def _client_from_environment() -> AsyncOpenAI:
    key = openai_defaults.key or os.environ.get("OPENAI_API_KEY")
    if not key and not os.environ.get("OPENAI_BASE_URL"):
        raise UserError(
            "The worker has no key for the model provider: set OPENAI_API_KEY in its environment, "
            "or OPENAI_BASE_URL to a compatible server that needs none."
        )
    timeout = Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
    # The client insists on a key; servers that need none take any.
    return AsyncOpenAI(api_key=key or "not-needed", max_retries=0, timeout=timeout)


def _as_of_whole_answers(error: Exception, request: Any) -> Exception:
    """A transport error inside a body as the openai client tells it of whole answers."""
    names = {base.__name__ for base in type(error).__mro__}
    if "TimeoutException" in names:
        return APITimeoutError(request=request)
    return APIConnectionError(request=request) if names & {"TransportError", "DecodingError"} else error


async def _end(chunks: AsyncIterator[bytes]) -> None:
    """Ends the iteration of a closed body here: left to the garbage collection, it would end on any thread."""
    with suppress(Exception):
        async for _ in chunks:
            pass


def _options(settings: ModelSettings) -> Any:
    options: dict[str, Any] = {
        "headers": {"Content-Type": "application/json", **(settings.extra_headers or {})},
        "params": settings.extra_query or {},
        "security": {"bearer_auth": True},  # the API key, never an administrator's
    }
    if settings.extra_args and "timeout" in settings.extra_args:
        options["timeout"] = settings.extra_args["timeout"]
    return options
