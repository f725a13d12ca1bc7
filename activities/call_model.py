"""One request to the model: resolve what is dynamic, bring the conversation, ask, hand back what is new."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from temporalio import activity
from temporalio.exceptions import ApplicationError

from perdure.agent import Agent
from perdure.blobs import BlobStore, store_items
from perdure.context import RunContextWrapper
from perdure.contracts.run import Tokens
from perdure.contracts.steps import CALL_MODEL, CallModelInput, CallModelOutput
from perdure.definition import AgentDefinition
from perdure.errors import UserError
from perdure.limits import MAX_RESULT_BYTES
from perdure.model import DEFAULT_MODEL, ModelAnswer, ModelRequest
from perdure.served import ServedAgents
from perdure.settings import ModelSettings
from perdure.tool import FunctionTool

from .attempts import final_error, heartbeats, passing_error, told
from .conversations import Conversations
from .definitions import Definitions
from .providers.dispatch import Providers
from .providers.failures import classify

_ANSWER_BYTES = MAX_RESULT_BYTES - 64 * 1024  # room for what stands around the items


@dataclass(frozen=True, slots=True)
class _Resolved:
    """What the functions of the user said for this request."""

    instructions: str | None
    disabled: list[str]


class CallModel:
    """Asks models."""

    def __init__(
        self,
        served: ServedAgents,
        conversations: Conversations,
        definitions: Definitions,
        providers: Providers,
        blobs: BlobStore | None,
    ) -> None:
        self._served = served
        self._conversations = conversations
        self._definitions = definitions
        self._providers = providers
        self._blobs = blobs

    @activity.defn(name=CALL_MODEL)
    async def call_model(self, call: CallModelInput) -> CallModelOutput:
        """Asks the model and returns its answer in stored form."""
        info = activity.info()
        workflow_id, run_id = info.workflow_id or "", info.workflow_run_id or ""
        async with heartbeats():
            definition = await self._definitions.definition(workflow_id, run_id, call.definition)
            conversation = await self._conversations.items(workflow_id, run_id, call.cursor, call.items)
            with told(self._served, self._failure):
                resolved = await self._resolve(workflow_id, call, definition)
                request = _request(definition, resolved, call, conversation)
                answer = await self._providers.respond(workflow_id, call.agent, definition, request)
                return self._output(answer, resolved)

    def _failure(self, error: BaseException) -> ApplicationError:
        failure = classify(error, datetime.now(UTC))
        if not failure.retryable:
            return final_error(self._served, error, failure.message)
        return passing_error(
            error, type=failure.type, message=failure.message, after_seconds=failure.retry_after_seconds
        )

    async def _resolve(self, workflow_id: str, call: CallModelInput, definition: AgentDefinition) -> _Resolved:
        if not definition.calls_user_code:
            return _Resolved(definition.instructions, [])
        agent = self._served.agent(workflow_id, call.agent)
        usage = (call.usage or Tokens()).usage()
        context = RunContextWrapper(self._served.context(workflow_id, call.context), usage)
        return await self._served.on_user_loop(workflow_id, lambda: _evaluate(agent, definition, context))

    def _output(self, answer: ModelAnswer, resolved: _Resolved) -> CallModelOutput:
        extras: dict[str, Any] = {"disabled": resolved.disabled} if resolved.disabled else {}
        if answer.response_id is not None:
            extras["response_id"] = answer.response_id
        if answer.request_id is not None:
            extras["request_id"] = answer.request_id
        items = store_items(answer.items, self._blobs, _ANSWER_BYTES)
        return CallModelOutput(items=items, usage=Tokens.of(answer.usage), **extras)


async def _evaluate(agent: Agent[Any], definition: AgentDefinition, context: RunContextWrapper[Any]) -> _Resolved:
    instructions = definition.instructions
    if definition.instructions_by_rule:
        instructions = await _instructions(agent, context)
    disabled = [
        tool.name
        for tool in agent.tools
        if isinstance(tool, FunctionTool)
        and callable(tool.is_enabled)
        and not await _value(tool.is_enabled, context, agent)
    ]
    return _Resolved(instructions, disabled)


async def _instructions(agent: Agent[Any], context: RunContextWrapper[Any]) -> str:
    rule = cast("Callable[..., Any]", agent.instructions)
    count = len(inspect.signature(rule).parameters)
    if count != 2:  # noqa: PLR2004  context and agent
        raise TypeError(
            f"Instructions of agent {agent.name!r} take {count} parameters; they must take (context, agent)"
        )
    text = await _value(rule, context, agent)
    if not isinstance(text, str):
        raise UserError(f"Instructions of agent {agent.name!r} returned {type(text).__name__}; return a str.")
    return text


async def _value(function: Callable[..., Any], *arguments: Any) -> Any:
    result = function(*arguments)
    return await result if inspect.isawaitable(result) else result


def _request(definition: AgentDefinition, resolved: _Resolved, call: CallModelInput, conversation: Any) -> ModelRequest:
    settings = ModelSettings.from_json(definition.settings)
    if call.forget_tool_choice:
        settings.tool_choice = None
    offered = [tool for tool in definition.tools if tool.name not in resolved.disabled]
    return ModelRequest(
        model=definition.model or DEFAULT_MODEL,
        instructions=resolved.instructions,
        input=conversation,
        tools=[tool.wire for tool in offered],
        settings=settings,
        include=[value for tool in offered for value in tool.include],
    )
