"""Watch: the place at which other processes ask one that serves runs what their models say.

Questions are queries, so they leave nothing in any history. The answers are not the workflow's: they come out of the
memory of the process that serves its task queue, and no other one does. Its id is `watch/<the process's identity>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    HandleQueryInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from perdure.contracts.watching import TAKE, WATCH, TakeAnswer, TakeRequest, read_request
from perdure.limits import WATCH_OPEN_SECONDS
from perdure.outbox import Outbox

from .opening import NOTHING


@workflow.defn(name=WATCH, sandboxed=False)  # as AgentRun
class Watch:
    """Open for a while; who watches longer starts it anew."""

    @workflow.run
    async def run(self, *_given: Any) -> None:
        """Stays open."""
        await workflow.sleep(timedelta(seconds=WATCH_OPEN_SECONDS), summary="open for questions")

    @workflow.query(name=TAKE, description="What the model of a run has said since")
    def take(self, request: Any = NOTHING, *rest: Any) -> TakeAnswer:
        """Nothing, as the workflow itself knows nothing; see `Answering`."""
        return TakeAnswer()

    @workflow.signal(dynamic=True)
    def other(self, name: str, args: Sequence[RawValue]) -> None:
        """Takes signals, of which it knows none, so that they are not buffered for ever."""


class Answering(Interceptor):
    """Answers the questions from an outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """What stands before each workflow's handlers."""
        outbox = self._outbox

        class Inbound(WorkflowInboundInterceptor):
            async def handle_query(self, input: HandleQueryInput) -> Any:
                if input.query != TAKE:
                    return await super().handle_query(input)
                return _answer(outbox, _read(input.args))

        return Inbound


def _read(given: Sequence[Any]) -> TakeRequest:
    try:
        return read_request(given[0] if len(given) == 1 else NOTHING)  # one object, and nothing beside it
    except ValueError as error:
        raise ApplicationError(str(error), type="MalformedMessage", non_retryable=True) from None


def _answer(outbox: Outbox, request: TakeRequest) -> TakeAnswer:
    taken = outbox.take(request.run_id, request.stream, request.number)
    if taken is None:
        return TakeAnswer()
    begin = taken.begin
    return TakeAnswer(
        stream=begin.stream,
        execution=begin.execution,
        turn=begin.turn,
        call=begin.call,
        attempt=begin.attempt,
        number=taken.number,
        events=taken.events,
    )
