"""One request to the model: bring the conversation, resolve what is dynamic, ask, hand back what is new."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from perdure.agent_output import output_schema_of
from perdure.blobs import store_items
from perdure.canonical import clean
from perdure.contracts.steps import CALL_MODEL, CallModelInput, CallModelOutput
from perdure.contracts.tokens import Tokens
from perdure.definition import AgentDefinition
from perdure.limits import MAX_RESULT_BYTES
from perdure.model import Model, ModelAnswer, ModelRequest
from perdure.model_settings import as_fixed
from perdure.served import AgentNotServed, UserLoopEnded
from perdure.settings import ModelSettings
from perdure.snapshot import live_handoffs, without_hidden
from perdure.tool import FunctionTool
from perdure.usage import RequestUsage, Usage

from .attempts import Progress, final_error, heartbeats, passing_error, told
from .blind_repeats import before_request, check_repeat, note_unsent, unknown
from .definitions import Definitions
from .model_answers import accept
from .model_inputs import Prepared, prepare
from .providers.dispatch import LiveParts, Providers
from .providers.failures import classify
from .providers.retries import FailedCall, RetryVerdict, judge_retry
from .providers.wiring import is_wired
from .surroundings import Surroundings, context_changes

_ANSWER_BYTES = MAX_RESULT_BYTES - 64 * 1024  # room for what stands around the items


class _Judged(Exception):
    """A model call that failed, with what the user's retry policy said about it."""

    def __init__(self, error: Exception, verdict: RetryVerdict) -> None:
        super().__init__(verdict.failure.message)
        self.error = error
        self.verdict = verdict


class CallModel:
    """Asks models."""

    def __init__(self, around: Surroundings, definitions: Definitions, providers: Providers) -> None:
        self._around = around
        self._definitions = definitions
        self._providers = providers

    @activity.defn(name=CALL_MODEL)
    async def call_model(self, call: CallModelInput) -> CallModelOutput:
        """Asks the model and returns its answer in stored form."""
        execution = activity.info().workflow_run_id or ""
        served = self._around.served
        async with heartbeats() as progress:
            with before_request(progress, call.conversation_id):
                definition = await self._definitions.definition(self._around.run_id, execution, call.definition)
                items = await self._around.conversation(call, call.cursor, call.items)
                with told(served):
                    prepared = await prepare(self._around, call, definition, items, progress)
            with told(served, self._failure):
                answer = await self._ask(call, definition, prepared, progress)
            with told(served):
                invalid = await accept(self._around, call, definition, prepared, answer)
                return self._output(call, prepared, answer, invalid)

    async def _ask(
        self, call: CallModelInput, definition: AgentDefinition, prepared: Prepared, progress: Progress
    ) -> ModelAnswer:
        member = prepared.member
        live = LiveParts(member.agent, member.config)
        model = self._providers.model(definition, live)
        if not is_wired(model):
            live = _live_parts(prepared, definition, call)
        request = _request(definition, call, prepared)
        is_blind = request.conversation_id is not None and not is_wired(model)
        if is_blind:
            check_repeat(progress, request.conversation_id)
        try:
            answer = await self._providers.respond(self._around.run_id, definition, request, live, model)
        except (AgentNotServed, UserLoopEnded):
            raise
        except Exception as error:
            if definition.retry is None and not is_blind:
                raise
            verdict = await self._judge(error, model, request, prepared)
            if verdict.is_unknown:
                raise unknown(request.conversation_id, verdict.failure.message) from error
            if verdict.again and is_blind:
                note_unsent(progress)
            raise _Judged(error, verdict) from None
        return answer if definition.retry is None else _with_failed_attempts(answer, activity.info().attempt - 1)

    async def _judge(self, error: Exception, model: Model, request: ModelRequest, prepared: Prepared) -> RetryVerdict:
        member = prepared.member
        settings = member.agent.model_settings.resolve(member.config.model_settings)
        failed = FailedCall(
            error, activity.info().attempt, model, request.previous_response_id, request.conversation_id
        )
        return await self._around.on_user_loop(lambda: judge_retry(failed, settings.retry))

    def _failure(self, error: BaseException) -> ApplicationError:
        if isinstance(error, _Judged):
            failure, again, after = error.verdict.failure, error.verdict.again, error.verdict.after_seconds
            error = error.error
        else:
            failure = classify(error, datetime.now(UTC))
            again, after = failure.retryable, failure.retry_after_seconds
        if not again:
            return final_error(self._around.served, error, failure.message)
        return passing_error(error, type=failure.type, message=failure.message, after_seconds=after)

    def _output(
        self, call: CallModelInput, prepared: Prepared, answer: ModelAnswer, invalid: str | None
    ) -> CallModelOutput:
        extras: dict[str, Any] = {} if prepared.context is None else context_changes(call, prepared.context)
        optional = {
            "disabled": prepared.resolved.disabled or None,
            "response_id": answer.response_id,
            "request_id": answer.request_id,
            "invalid_output": invalid,
            "raw_usage": None if answer.raw_usage is None else clean(answer.raw_usage),
        }
        extras |= {name: value for name, value in optional.items() if value is not None}
        items = store_items(answer.items, self._around.blobs, _ANSWER_BYTES)
        return CallModelOutput(items=items, usage=Tokens.of(answer.usage), **extras)


def _request(definition: AgentDefinition, call: CallModelInput, prepared: Prepared) -> ModelRequest:
    resolved = prepared.resolved
    settings = ModelSettings.from_json(definition.settings)
    if call.forget_tool_choice:
        settings.tool_choice = None
    offered = [tool for tool in definition.tools if tool.hosted or tool.name not in resolved.disabled_tools]
    handoffs = [each for each in definition.handoffs if each.tool_name not in resolved.disabled_handoffs]
    return ModelRequest(
        model=definition.model,
        instructions=prepared.instructions,
        input=prepared.items,
        tools=[tool.wire for tool in offered] + [handoff.wire for handoff in handoffs],
        settings=settings,
        include=[value for tool in offered for value in tool.include],
        output_format=definition.output_format,
        previous_response_id=call.previous_response_id,
        conversation_id=call.conversation_id,
        prompt=resolved.prompt,
        prompt_cache_key=call.prompt_cache_key,
        is_repeated=activity.info().attempt > 1,
    )


def _live_parts(prepared: Prepared, definition: AgentDefinition, call: CallModelInput) -> LiveParts:
    """The user's objects behind a request, for a model of the user's own."""
    agent, resolved = prepared.member.agent, prepared.resolved
    tools = {tool.name for tool in definition.tools if not tool.hosted} - resolved.disabled_tools
    handoffs = {each.tool_name for each in definition.handoffs} - resolved.disabled_handoffs
    settings = as_fixed(agent.model_settings.resolve(prepared.member.config.model_settings), definition.settings)
    if call.forget_tool_choice:
        settings.tool_choice = None
    return LiveParts(
        agent=agent,
        config=prepared.member.config,
        tools=[tool for tool in without_hidden(agent) if not isinstance(tool, FunctionTool) or tool.name in tools],
        handoffs=[handoff for handoff in live_handoffs(agent) if handoff.tool_name in handoffs],
        output_schema=output_schema_of(agent.output_type),
        settings=settings,
    )


def _with_failed_attempts(answer: ModelAnswer, failed: int) -> ModelAnswer:
    """The answer with the usage of the attempts before it, which the user's retry settings asked for."""
    nothing = [RequestUsage(0, 0, 0) for _ in range(failed)]
    usage = Usage(requests=failed, request_usage_entries=nothing)
    usage.add(answer.usage)
    return replace(answer, usage=usage)
