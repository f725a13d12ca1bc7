"""Models whose requests are made by the code beside the activities, from the conversation's bytes.

A worker knows them and asks without unpacking the conversation; called directly, they pack it first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from perdure.canonical import canonical
from perdure.model import Model, ModelRequest, ModelResponse, ModelTracing
from perdure.rooms import load_room

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from perdure.retry import ModelRetryAdvice, ModelRetryAdviceRequest


class WiredModel(Model):
    """A model that a provider of this project asks.

    Attributes:
        wire: Names the provider: `responses`, `chat_completions` or `litellm`.
        model: The model's name as its server knows it.
        openai_client: The client that asks; `None`: the worker's own.
        model_is_explicit: Whether the user named the model; a prompt names its own otherwise.
    """

    wire: ClassVar[str]

    def __init__(self, model: str, openai_client: AsyncOpenAI | None = None, *, model_is_explicit: bool = True) -> None:
        self.model = model
        self.openai_client = openai_client
        self.model_is_explicit = model_is_explicit

    async def get_response(  # noqa: PLR0917  the Agents SDK's own signature
        self,
        system_instructions: str | None,
        input: str | list[Any],
        model_settings: Any,
        tools: list[Any],
        output_schema: Any | None,
        handoffs: list[Any],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: Any | None = None,
    ) -> ModelResponse:
        """Answers one request."""
        items = [{"role": "user", "content": input}] if isinstance(input, str) else input
        request = ModelRequest(
            model=self.model,
            instructions=system_instructions,
            input=[canonical(item) for item in items],
            tools=[*(tool.to_wire() for tool in tools), *map(_as_tool, handoffs)],
            settings=model_settings,
            include=[value for tool in tools if hasattr(tool, "includes") for value in tool.includes()],
            output_format=_output_format(output_schema),
            previous_response_id=previous_response_id,
            conversation_id=conversation_id,
            prompt=prompt,
        )
        wiring = load_room("activities.providers.wiring")
        answer = await wiring.ask_once(self, request)
        return ModelResponse(answer.items, answer.usage, answer.response_id, answer.request_id, answer.raw_usage)

    def get_retry_advice(self, request: ModelRetryAdviceRequest) -> ModelRetryAdvice | None:
        """What the kind of the failure tells about asking again."""
        return load_room("activities.providers.retries").advice(request)


def _as_tool(handoff: Any) -> dict[str, Any]:
    return {
        "type": "function",
        "name": handoff.tool_name,
        "description": handoff.tool_description,
        "parameters": handoff.input_json_schema,
        "strict": handoff.strict_json_schema,
    }


def _output_format(schema: Any | None) -> dict[str, Any] | None:
    if schema is None or schema.is_plain_text():
        return None
    return {
        "type": "json_schema",
        "name": "final_output",
        "schema": schema.json_schema(),
        "strict": schema.is_strict_json_schema(),
    }
