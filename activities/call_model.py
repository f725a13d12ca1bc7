"""One request to the model: bring the conversation, resolve what is dynamic, ask, hand back what is new."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from perdure.blobs import load_item, store_items, unblocked
from perdure.canonical import clean, clean_text, encode
from perdure.contracts.steps import CALL_MODEL, CallModelInput, CallModelOutput
from perdure.contracts.tokens import Tokens
from perdure.definition import AgentDefinition
from perdure.event_hub import EventHub
from perdure.failpoints import reach
from perdure.limits import MAX_RESULT_BYTES
from perdure.model import Model, ModelAnswer, ModelRequest, Publish
from perdure.model_settings import as_fixed
from perdure.served import AgentNotServed, UserLoopEnded
from perdure.settings import ModelSettings
from perdure.usage import RequestUsage, Usage

from . import told_steps
from .attempts import Progress, final_error, heartbeats, is_last_attempt, passing_error, told
from .blind_repeats import before_request, check_repeat, note_unsent, unknown
from .definitions import Definitions
from .fixed_parts import fixed_handoffs, fixed_output_schema, fixed_tools
from .model_answers import accept
from .model_inputs import Prepared, prepare
from .nested_streams import NestedStream
from .pricing import priced
from .providers.dispatch import LiveParts, Providers
from .providers.failures import HollowAnswer, classify
from .providers.retries import FailedCall, RetryVerdict, judge_retry
from .providers.wiring import is_wired
from .publishing import publisher
from .stopped_answers import Spoken, was_stopped
from .surroundings import Surroundings, context_changes
from .transcripts import Transcripts

_HOLLOW = "hollow"  # noted: that an answer came which had nothing in it
_ANSWER_BYTES = MAX_RESULT_BYTES - 64 * 1024  # room for what stands around the items


class _Judged(Exception):
    """A model call that failed, with what the user's retry policy said about it."""

    def __init__(self, error: Exception, verdict: RetryVerdict) -> None:
        super().__init__(verdict.failure.message)
        self.error = error
        self.verdict = verdict


class CallModel:
    """Asks models."""

    def __init__(
        self,
        around: Surroundings,
        definitions: Definitions,
        providers: Providers,
        events: EventHub | None = None,
        transcripts: Transcripts | None = None,
    ) -> None:
        self._around = around
        self._definitions = definitions
        self._providers = providers
        self._events = events or EventHub()
        self._transcripts = transcripts

    @activity.defn(name=CALL_MODEL)
    async def call_model(self, call: CallModelInput) -> CallModelOutput:
        """Asks the model and returns its answer in stored form."""
        reach("model begins")
        blobs = self._around.blobs
        self._around.served.turn_to(self._around.run_id, call.message_id)
        stream = await self._nested_stream(call)
        async with heartbeats() as progress, contextlib.nullcontext() if stream is None else stream.told():
            spoken = Spoken(publisher(self._events, call, progress) if stream is None else stream.publish)
            try:
                return await self._answer(call, spoken.publish, progress, stream)
            except asyncio.CancelledError:
                if not was_stopped():
                    raise
                told_steps.stopped()
                items = await unblocked(blobs, store_items, spoken.stop(), blobs, _ANSWER_BYTES)
                return CallModelOutput(items=items, usage=Tokens(requests=1))  # of which the provider tells no tokens

    async def _nested_stream(self, call: CallModelInput) -> NestedStream | None:
        """What tells the `on_stream` of the tool that the agent runs as, if somebody is to be told."""
        if call.answers is None or call.opened_by is None or self._transcripts is None:
            return None
        with told(self._around.served):
            tool = self._around.served.tool(self._around.run_id, call.root, *call.opened_by).agent_tool
            if tool is None or tool.on_stream is None:
                return None
            answers = json.loads(await asyncio.to_thread(load_item, encode(call.answers), self._around.blobs))
            return NestedStream(self._around, self._transcripts, tool, call, answers)

    async def _answer(
        self, call: CallModelInput, publish: Publish | None, progress: Progress, stream: NestedStream | None
    ) -> CallModelOutput:
        execution = activity.info().workflow_run_id or ""
        served = self._around.served
        with before_request(progress, call.conversation_id):
            definition = await self._definitions.definition(self._around.run_id, execution, call.definition)
            items = await self._around.conversation(call, call.cursor, call.items)
            with told(served):
                schema = fixed_output_schema(self._around.member(call).agent, definition)
                prepared = await prepare(self._around, call, definition, items, progress)
        if stream is not None:
            with told(served):
                await stream.begin(call, progress, activity.info().attempt)
        with told(served, self._failure):
            answer = await self._ask(call, definition, replace(prepared, publish=publish), progress)
            told_steps.answered(answer)
        reach("model ended")
        with told(served):
            invalid = await accept(self._around, call, schema, prepared, answer)
            if stream is not None:
                stream.answered(definition, answer.items)
            return await unblocked(self._around.blobs, self._output, call, prepared, answer, invalid)

    async def _ask(
        self, call: CallModelInput, definition: AgentDefinition, prepared: Prepared, progress: Progress
    ) -> ModelAnswer:
        member = prepared.member
        live = LiveParts(member.agent, member.config)
        model = self._providers.model(definition, live)
        if not is_wired(model):
            live = _live_parts(prepared, definition, call)
        request = _request(definition, call, prepared)
        told_steps.asked(request, model)
        is_blind = request.conversation_id is not None and not is_wired(model)
        if is_blind:
            check_repeat(progress, request.conversation_id)
        try:
            answer = await self._providers.respond(self._around.run_id, definition, request, live, model)
        except (AgentNotServed, UserLoopEnded):
            raise
        except Exception as error:
            if definition.retry is None and not is_blind and not isinstance(error, HollowAnswer):
                raise
            verdict = await self._judge(error, model, request, prepared, progress)
            if verdict.is_unknown:
                raise unknown(request.conversation_id, verdict.failure.message) from error
            if verdict.again and is_blind:
                note_unsent(progress)
            raise _Judged(error, verdict) from None
        answer = await priced(answer, told_steps.name_of(request, model))
        return answer if definition.retry is None else _with_failed_attempts(answer, activity.info().attempt - 1)

    async def _judge(
        self, error: Exception, model: Model, request: ModelRequest, prepared: Prepared, progress: Progress
    ) -> RetryVerdict:
        member = prepared.member
        settings = member.agent.model_settings.resolve(member.config.model_settings)
        hollow_before = progress.noted(_HOLLOW) is not None
        if isinstance(error, HollowAnswer):
            progress.note(_HOLLOW, True)
        state = request.previous_response_id, request.conversation_id
        more = {"hollow_before": hollow_before, "stream": request.publish is not None}
        failed = FailedCall(error, activity.info().attempt, model, *state, **more)
        return await self._around.on_user_loop(lambda: judge_retry(failed, settings.retry))

    def _failure(self, error: BaseException) -> ApplicationError:
        if isinstance(error, _Judged):
            failure, again, after = error.verdict.failure, error.verdict.again, error.verdict.after_seconds
            error = error.error
        else:
            failure = classify(error, datetime.now(UTC))
            again, after = failure.retryable, failure.retry_after_seconds
        if not again or is_last_attempt():
            return final_error(self._around.served, error, failure.message, failure.type)
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
        extras |= {
            name: clean_text(value) if isinstance(value, str) else value
            for name, value in optional.items()
            if value is not None
        }
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
        publish=prepared.publish,
    )


def _live_parts(prepared: Prepared, definition: AgentDefinition, call: CallModelInput) -> LiveParts:
    """The user's objects behind a request, for a model of the user's own."""
    agent, resolved = prepared.member.agent, prepared.resolved
    settings = as_fixed(agent.model_settings.resolve(prepared.member.config.model_settings), definition.settings)
    if call.forget_tool_choice:
        settings.tool_choice = None
    return LiveParts(
        agent=agent,
        config=prepared.member.config,
        tools=fixed_tools(agent, definition, resolved.disabled_tools),
        handoffs=fixed_handoffs(agent, definition, resolved.disabled_handoffs),
        output_schema=fixed_output_schema(agent, definition),
        settings=settings,
        tracing=told_steps.tracing(),
    )


def _with_failed_attempts(answer: ModelAnswer, failed: int) -> ModelAnswer:
    """The answer with the usage of the attempts before it, which the user's retry settings asked for.

    They cost nothing, as no provider bills an error.
    """
    nothing = [RequestUsage(0, 0, 0) for _ in range(failed)]
    free = failed if answer.usage.priced_requests else 0
    usage = Usage(requests=failed, request_usage_entries=nothing, priced_requests=free)
    usage.add(answer.usage)
    return replace(answer, usage=usage)
