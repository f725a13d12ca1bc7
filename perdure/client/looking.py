"""Looks at a run from outside: what the server knows of it, who serves it, and what it says itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio import exceptions
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, PendingActivityState, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowQueryFailedError
from temporalio.converter import WorkflowSerializationContext
from temporalio.service import RPCError

from perdure.client.attendance import has_ended, pinned_build, workers_of
from perdure.client.diagnosis import FailingTask, PendingStep, Seen, one_line
from perdure.client.execution import Execution
from perdure.client.host import Host
from perdure.client.queues import is_process_queue, owner_of
from perdure.contracts.messages import StatusView

_ANSWER_TIMEOUT = timedelta(seconds=3)  # a worker that lives answers at once
_EVENTS = 20  # the newest ones; a task that fails leaves one event, however often it is tried


async def look(host: Host, execution: Execution, description: WorkflowExecutionDescription) -> Seen:
    """What can be found out about a run under way within some 5 seconds.

    A run that nobody serves is answered for by this process, but only where that takes nothing in: whoever asks why
    a run stands still must not move it.
    """
    client, raw = (await host.connection()).client, description.raw_description
    queue, build = description.task_queue, pinned_build(raw.workflow_execution_info)
    dead, answering, taking_steps = await asyncio.gather(
        host.owner_is_dead(queue),
        workers_of(client, queue, "workflow", build),
        workers_of(client, queue, "activity", build),
    )
    steps = [await _step(client, description.id, activity) for activity in raw.pending_activities]
    due = raw.HasField("pending_workflow_task")
    failing = await _failing(client, description) if due and raw.pending_workflow_task.attempt > 1 else None
    status = None
    if failing is None and (answering or not (due or build)):  # for a build that is not there nobody can answer
        status = await _status(host, execution, queue, is_answered=bool(answering) and not dead)
    return Seen(
        queue=queue,
        build=build,
        now=datetime.now(UTC),
        status=status,
        steps=steps,
        task_is_due=due,
        failing=failing,
        answering=answering,
        taking_steps=[] if dead else taking_steps,
        owner=owner_of(queue) if is_process_queue(queue) else "",
        owner_is_dead=dead,
        lost=frozenset(step.worker for step in steps if has_ended(step.worker)),
    )


async def _status(host: Host, execution: Execution, queue: str, *, is_answered: bool) -> StatusView | None:
    if not is_answered:
        await host.answer_for(queue)
    try:
        return await execution.status_within(_ANSWER_TIMEOUT)
    except (WorkflowQueryFailedError, RPCError):  # what the server knows has to do
        return None


async def _step(client: Client, workflow_id: str, activity: PendingActivityInfo) -> PendingStep:
    running = activity.state in {
        PendingActivityState.PENDING_ACTIVITY_STATE_STARTED,
        PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED,
    }
    failed = activity.HasField("last_failure")
    retries = not running and activity.HasField("next_attempt_schedule_time")
    return PendingStep(
        activity=activity.activity_type.name,
        id=activity.activity_id,
        attempt=activity.attempt,
        max_attempts=activity.maximum_attempts,
        running=running,
        since=_time(activity.last_started_time if running else activity.scheduled_time),
        next_attempt=_time(activity.next_attempt_schedule_time) if retries else None,
        failure=await failure_text(client, workflow_id, activity.last_failure) if failed else "",
        worker=activity.last_worker_identity,
        paused=activity.paused,
    )


async def _failing(client: Client, description: WorkflowExecutionDescription) -> FailingTask:
    attempt = description.raw_description.pending_workflow_task.attempt
    events = await client.workflow_service.get_workflow_execution_history_reverse(
        GetWorkflowExecutionHistoryReverseRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=description.id, run_id=description.run_id),
            maximum_page_size=_EVENTS,
        )
    )
    for event in events.history.events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            told = event.workflow_task_failed_event_attributes
            cause = WorkflowTaskFailedCause.Name(told.cause)
            failure = await failure_text(client, description.id, told.failure) if told.HasField("failure") else cause
            return FailingTask(attempt, False, failure, told.identity)
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
            break
    return FailingTask(attempt, True, "", "")


async def failure_text(client: Client, workflow_id: str, failure: Failure) -> str:
    """A failure on one line that is short and shows nothing but what can be printed."""
    place = WorkflowSerializationContext(client.namespace, workflow_id)
    error = await client.data_converter.with_context(place).decode_failure(failure)
    if isinstance(error, exceptions.TimeoutError) and error.type == exceptions.TimeoutType.HEARTBEAT:
        return "its worker was lost"
    kind = error.type if isinstance(error, exceptions.ApplicationError) else type(error).__name__
    message = str(getattr(error, "message", error))
    return one_line(message if not kind or message.startswith(f"{kind}:") else f"{kind}: {message}")


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
