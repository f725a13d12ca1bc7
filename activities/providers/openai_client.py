"""The openai client behind a provider: one that was given, or one made from the worker's environment."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from openai import AsyncAPIResponse, AsyncOpenAI, Timeout

from perdure.errors import UserError
from perdure.model import ModelRequest
from perdure.model_settings import ModelSettings
from perdure.models.defaults import openai_defaults

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 600.0  # a reasoning model may be silent for minutes; the openai client's own default

# What the openai client reads when it is made.
_ENVIRONMENT = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
_OFFICIAL_HOST = "api.openai.com"


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


def _options(settings: ModelSettings) -> Any:
    options: dict[str, Any] = {
        "headers": {"Content-Type": "application/json", **(settings.extra_headers or {})},
        "params": settings.extra_query or {},
        "security": {"bearer_auth": True},  # the API key, never an administrator's
    }
    if settings.extra_args and "timeout" in settings.extra_args:
        options["timeout"] = settings.extra_args["timeout"]
    return options
