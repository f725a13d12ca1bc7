"""Which provider answers: a model object of the user, or what the run's provider finds for a model's name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from perdure.agent import Agent
from perdure.canonical import canonical
from perdure.definition import AgentDefinition
from perdure.errors import ModelTimeoutError, UserError
from perdure.model import Model, ModelAnswer, ModelProvider, ModelRequest, ModelTracing
from perdure.model_settings import ModelSettings
from perdure.models.multi_provider import MultiProvider
from perdure.run_config import RunConfig
from perdure.served import AgentNotServed, ServedAgents

from .streamed_answers import whole_answer
from .wiring import Wires, is_wired

_KEPT_PROVIDERS = 16  # each may hold connections, and workers meet few kinds


@dataclass(frozen=True)
class LiveParts:
    """The user's objects behind a request.

    Attributes:
        agent: The agent that asks.
        config: The configuration that it runs under; its model and its provider count.
        tools: What the request offers, as a model of the user's own is given it.
        handoffs: To whom the agent may hand over, likewise.
        output_schema: The form of the answer, unless that is text.
        settings: The settings with the program's own objects, for a model of the user's own.
        tracing: Whether the call is traced, as a model of the user's own is told.
    """

    agent: Agent[Any]
    config: RunConfig
    tools: list[Any] = field(default_factory=list[Any])
    handoffs: list[Any] = field(default_factory=list[Any])
    output_schema: Any | None = None
    settings: ModelSettings | None = None
    tracing: ModelTracing = ModelTracing.DISABLED


class Providers:
    """The providers of a worker."""

    def __init__(self, served: ServedAgents) -> None:
        self._served = served
        self._wires = Wires()
        self._default_provider = MultiProvider()
        self._by_values: dict[bytes, MultiProvider] = {}

    async def respond(
        self,
        run_id: str,
        definition: AgentDefinition,
        request: ModelRequest,
        live: LiveParts | None = None,
        model: Model | None = None,
    ) -> ModelAnswer:
        """Asks the model.

        Args:
            run_id: The run.
            definition: The agent as the run has it.
            request: What is asked.
            live: The user's objects behind the request; without them only a model that the default provider finds
                by its name can be asked.
            model: What `model` has found already.

        Raises:
            AgentNotServed: This worker lacks the model object that the run's agent had.
            ModelTimeoutError: The model took longer than the settings' `timeout`.
        """
        model = self.model(definition, live) if model is None else model
        return await _in_time(self._answer(run_id, model, request, live), request.settings.timeout)

    def model(self, definition: AgentDefinition, live: LiveParts | None = None) -> Model:
        """The model that a request of this agent goes to.

        Raises:
            AgentNotServed: This worker lacks the model object that the run's agent had.
            UserError: The run's provider gave something else than a model.
        """
        if not definition.model_object:
            provider = self._provider(definition, live)
            found: Any = provider.get_model(definition.model)
            if not isinstance(found, Model):
                raise UserError(f"The model provider gave {found!r:.100} for {definition.model!r}; it must be a Model.")
            return found
        return live_model(definition, live)

    def _provider(self, definition: AgentDefinition, live: LiveParts | None) -> ModelProvider:
        """The program's own provider; where it has none, the one that the run was started with in another process."""
        own = self._default_provider if live is None else live.config.model_provider
        if definition.provider is None or not (isinstance(own, MultiProvider) and own.is_default):
            return own
        values = canonical(definition.provider)
        if values not in self._by_values:
            while len(self._by_values) >= _KEPT_PROVIDERS:
                self._by_values.pop(next(iter(self._by_values)))
            self._by_values[values] = MultiProvider(**definition.provider)
        return self._by_values[values]

    async def _answer(self, run_id: str, model: Model, request: ModelRequest, live: LiveParts | None) -> ModelAnswer:
        if is_wired(model):
            if model.openai_client is None:
                return await self._wires.ask(model, request)
            # A client of the user's keeps its connections on the loop of the user's code.
            return await self._served.on_user_loop(run_id, lambda: self._wires.ask(model, request))
        if live is None:
            raise AgentNotServed("This worker does not have the agent, whose model wants its tools.")
        return await self._served.on_user_loop(run_id, lambda: _ask(model, live, request))

    async def close(self) -> None:
        """Closes the providers' connections."""
        await self._wires.close()


async def _in_time(answer: Coroutine[Any, Any, ModelAnswer], seconds: float | None) -> ModelAnswer:
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            return await answer
    except TimeoutError:
        if seconds is None or not deadline.expired():  # the model's own
            raise
        raise ModelTimeoutError(seconds) from None


def live_model(definition: AgentDefinition, live: LiveParts | None) -> Model:
    """The model object of a live agent.

    Raises:
        AgentNotServed: It has none, as the run's agent had.
    """
    model = None if live is None else live.agent.model if live.config.model is None else live.config.model
    if not isinstance(model, Model):
        raise AgentNotServed(
            f"Agent {definition.name!r} of this worker has no model object, as the run's agent had; "
            "deploy one that has it."
        )
    return model


async def _ask(model: Model, live: LiveParts, request: ModelRequest) -> ModelAnswer:
    asked: tuple[Any, ...] = (
        request.instructions,
        [json.loads(item) for item in request.input],
        request.settings if live.settings is None else live.settings,
        live.tools,
        live.output_schema,
        live.handoffs,
        live.tracing,
    )
    kept: dict[str, Any] = {
        "previous_response_id": request.previous_response_id,
        "conversation_id": request.conversation_id,
        "prompt": request.prompt,
    }
    if request.publish is not None and type(model).stream_response is not Model.stream_response:
        return await whole_answer(model.stream_response(*asked, **kept), request.publish)
    response = await model.get_response(*asked, **kept)
    return ModelAnswer(
        items=response.to_input_items(),
        usage=response.usage,
        response_id=response.response_id,
        request_id=response.request_id,
        raw_usage=response.raw_usage,
    )
