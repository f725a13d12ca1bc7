"""From a model's object to the code that asks it, where that code is this project's."""

from __future__ import annotations

from dataclasses import replace

from typing_extensions import TypeIs

from perdure.errors import UserError
from perdure.model import Model, ModelAnswer, ModelRequest
from perdure.models.litellm import LitellmModel
from perdure.models.openai import OpenAIChatCompletionsModel
from perdure.models.wired import WiredModel

from .litellm_models import Litellm
from .openai_chat import OpenAIChat
from .openai_responses import OpenAIResponses


class Wires:
    """The connections of a worker to its providers."""

    def __init__(self) -> None:
        self._responses = OpenAIResponses()
        self._chat = OpenAIChat()
        self._strict_chat = OpenAIChat(strict=True)
        self._litellm = Litellm()

    async def ask(self, model: WiredModel, request: ModelRequest) -> ModelAnswer:
        """Asks a model, by its own client if it has one."""
        names_itself = request.prompt is not None and not model.model_is_explicit
        request = replace(request, model=None if names_itself else model.model)
        if isinstance(model, LitellmModel):
            return await self._litellm.respond(model, request)
        if isinstance(model, OpenAIChatCompletionsModel):
            return await self._chat_of(model).respond(request)
        if model.wire != "responses":
            raise UserError(f"No provider is called {model.wire!r}; give {type(model).__name__} a get_response.")
        own = OpenAIResponses(model.openai_client) if model.openai_client is not None else self._responses
        return await own.respond(request)

    def _chat_of(self, model: OpenAIChatCompletionsModel) -> OpenAIChat:
        if model.openai_client is not None:
            return OpenAIChat(model.openai_client, strict=model.strict_feature_validation)
        return self._strict_chat if model.strict_feature_validation else self._chat

    async def close(self) -> None:
        """Closes the connections."""
        for provider in (self._responses, self._chat, self._strict_chat):
            await provider.close()


def is_wired(model: Model) -> TypeIs[WiredModel]:
    """Whether this project's code asks the model: a subclass with a `get_response` of its own is the user's."""
    return isinstance(model, WiredModel) and type(model).get_response is WiredModel.get_response


async def ask_once(model: WiredModel, request: ModelRequest) -> ModelAnswer:
    """Asks a model outside a worker, with connections for this one request."""
    wires = Wires()
    try:
        return await wires.ask(model, request)
    finally:
        await wires.close()
