"""Models of other makers through litellm, which speaks the Responses API for all of them."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from perdure.canonical import canonical
from perdure.errors import UserError
from perdure.model import ModelAnswer, ModelRequest
from perdure.models.litellm import LitellmModel

from .openai_answers import read_answer
from .openai_responses import request_body
from .streamed_answers import whole_answer

_ENVIRONMENT_SWITCH = "LITELLM_LOCAL_MODEL_COST_MAP"  # else it fetches a price list from the web when imported
_MISSING = 'A model of litellm needs its package in the worker: pip install "perdure[litellm]".'


class Litellm:
    """Asks models through litellm."""

    def __init__(self) -> None:
        self._importing = asyncio.Lock()
        self._litellm: Any = None

    async def respond(self, model: LitellmModel, request: ModelRequest) -> ModelAnswer:
        """Answers one request.

        Raises:
            UserError: The package is not installed.
            ModelBehaviorError: The model gave no complete answer.
            openai.OpenAIError: The maker refused, or could not be reached; litellm's errors are openai's.
        """
        litellm = await self._imported()
        response = await litellm.aresponses(**_arguments(model, request))
        keep = bool(request.settings.preserve_raw_usage)
        if request.publish is not None and hasattr(response, "__aiter__"):
            return await whole_answer(_events(response), request.publish, keep_raw_usage=keep)
        return read_answer(canonical(_json(response)), None, keep_raw_usage=keep)

    async def _imported(self) -> Any:
        async with self._importing:
            if self._litellm is None:
                os.environ.setdefault(_ENVIRONMENT_SWITCH, "True")
                try:
                    # In a thread: it takes seconds, in which the worker's loop has heartbeats to send.
                    self._litellm = await asyncio.to_thread(importlib.import_module, "litellm")
                except ImportError as error:
                    raise UserError(f"{_MISSING} ({error})") from error
                self._litellm.telemetry = False
                self._litellm.suppress_debug_info = True  # it would print
            return self._litellm


async def _events(stream: Any) -> AsyncGenerator[dict[str, Any]]:
    """The events of a stream as JSON; litellm tells every maker's as those of the Responses API."""
    async for event in stream:
        yield _json(event)


def _json(value: Any) -> dict[str, Any]:
    return value.model_dump(mode="json", exclude_none=True)


def _arguments(model: LitellmModel, request: ModelRequest) -> dict[str, Any]:
    """The request as litellm takes it: the Responses API's own names."""
    settings = request.settings
    arguments: dict[str, Any] = json.loads(request_body(replace(request, prompt_cache_key=None)))
    arguments = {name: value for name, value in arguments.items() if value != []}
    arguments["input"] = (
        [json.loads(item) for item in request.input] if "input" not in arguments else arguments["input"]
    )
    extra = {"extra_headers": settings.extra_headers, "extra_query": settings.extra_query}
    given = {
        **extra,
        "model": model.model,
        "api_base": model.base_url,
        "api_key": model.api_key,
        "timeout": settings.timeout,
    }
    return arguments | {name: value for name, value in given.items() if value is not None} | {"max_retries": 0}
