"""Which provider answers: a model object of the user, or the provider of a model's name."""

from __future__ import annotations

import json
from typing import Any

from perdure.agent import Agent
from perdure.definition import AgentDefinition
from perdure.model import Model, ModelAnswer, ModelRequest, ModelTracing
from perdure.served import AgentNotServed, ServedAgents
from perdure.tool import FunctionTool

from .openai_responses import OpenAIResponses


class Providers:
    """The providers of a worker."""

    def __init__(self, served: ServedAgents) -> None:
        self._served = served
        self._openai = OpenAIResponses()

    async def respond(
        self, run_id: str, agent_name: str, definition: AgentDefinition, request: ModelRequest
    ) -> ModelAnswer:
        """Asks the model."""
        if not definition.model_object:
            return await self._openai.respond(request)
        agent = self._served.agent(run_id, agent_name)
        override = self._served.config(run_id).model
        model = agent.model if override is None else override
        if not isinstance(model, Model):
            raise AgentNotServed(f"Agent {agent_name!r} of this worker has no model object, as the run's agent had.")
        return await self._served.on_user_loop(run_id, lambda: _ask(model, agent, request))

    async def close(self) -> None:
        """Closes the providers' connections."""
        await self._openai.close()


async def _ask(model: Model, agent: Agent[Any], request: ModelRequest) -> ModelAnswer:
    offered = {tool.get("name") for tool in request.tools}
    response = await model.get_response(
        request.instructions,
        [json.loads(item) for item in request.input],
        request.settings,
        [tool for tool in agent.tools if not isinstance(tool, FunctionTool) or tool.name in offered],
        None,
        [],
        ModelTracing.DISABLED,
        previous_response_id=None,
        conversation_id=None,
        prompt=None,
    )
    return ModelAnswer(
        items=response.to_input_items(),
        usage=response.usage,
        response_id=response.response_id,
        request_id=response.request_id,
    )
