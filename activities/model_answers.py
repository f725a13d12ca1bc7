"""What follows a model's answer in the same step: hooks that hear of it, and whether it is of the wanted type."""

from __future__ import annotations

from typing import Any

from perdure.agent_output import AgentOutputSchemaBase
from perdure.contracts.steps import CallModelInput
from perdure.errors import ModelBehaviorError
from perdure.hooks import call_hooks
from perdure.item_json import message_text
from perdure.model import ModelAnswer, ModelResponse
from perdure.openai_types import typed_output_item

from .model_inputs import Prepared
from .surroundings import Surroundings


async def accept(
    around: Surroundings,
    call: CallModelInput,
    schema: AgentOutputSchemaBase | None,
    prepared: Prepared,
    answer: ModelAnswer,
) -> str | None:
    """Tells the hooks of an answer and reads its final output, if it has one.

    Args:
        around: What the step finds around it.
        call: The step.
        schema: The agent's output type; `None` for text.
        prepared: What was sent.
        answer: What came back.

    Returns:
        Why the last message is not of the agent's output type; `None` if it is, or need not be.
    """
    text = "" if schema is None else final_text(answer.items)
    if not text and not call.llm_hooks:
        return None
    agent, context = prepared.member.agent, prepared.context
    run_hooks = around.run_hooks(call) if call.llm_hooks else None

    async def look() -> str | None:
        if context is not None:
            context.usage.add(answer.usage)
            if call.llm_hooks:
                await call_hooks("on_llm_end", run_hooks, agent.hooks, context, agent, _response(answer))
        return _mismatch(schema, text) if schema is not None and text else None

    return await around.on_user_loop(look)


def final_text(items: list[dict[str, Any]]) -> str:
    """The text that would be a final output: that of the last message, in an answer without calls."""
    if any(item.get("type") == "function_call" for item in items):
        return ""
    messages = [item for item in items if item.get("type") == "message"]
    return message_text(messages[-1]) if messages else ""


def _mismatch(schema: AgentOutputSchemaBase, text: str) -> str | None:
    try:
        schema.validate_json(text)
    except ModelBehaviorError as error:
        return error.message
    return None


def _response(answer: ModelAnswer) -> ModelResponse:
    output = [typed_output_item(item) for item in answer.items]
    return ModelResponse(output, answer.usage, answer.response_id, answer.request_id, answer.raw_usage)
