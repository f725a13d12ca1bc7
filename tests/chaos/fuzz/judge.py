"""Looks at a run from outside: it has ended, or waits and says for what; none of its workflow tasks has failed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowQueryFailedError
from temporalio.service import RPCError

from perdure.contracts.messages import StatusView

PATIENCE_SECONDS = 40.0  # five are promised; the machine may be busy with hundreds of runs
LOOK_SECONDS = 0.25
QUERY_TIMEOUT = timedelta(seconds=5)

WAITING = ("waiting for approval",)
"""What a run may wait for when nobody but a person can move it on."""

BETWEEN_MESSAGES = ("waiting for a message",)
"""What a thread waits for that is done with all it was sent."""

# The server's own: a message came while the task ran, which is given again with it at once.
_HARMLESS = (WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,)
_SLOW = "TMPRL1101"  # a task took over two seconds, as happens where the machine is busy
_SLOW_TASKS = 2
_BAD_ENDS = (WorkflowExecutionStatus.TERMINATED, WorkflowExecutionStatus.TIMED_OUT)


async def complaint_about(
    client: Client,
    run_id: str,
    *,
    phases: tuple[str, ...] = WAITING,
    retries: bool = False,
    patience: float = PATIENCE_SECONDS,
) -> str | None:
    """What is wrong with a run; `None` if it has ended, or waits in one of these phases and says why.

    Args:
        client: Sees the run's namespace.
        run_id: The run.
        phases: For what it may wait.
        retries: Whether a step may have been tried more than once.
        patience: How long it may take, in seconds.
    """
    deadline = time.monotonic() + patience
    handle = client.get_workflow_handle(run_id)
    while True:
        seen = await handle.describe()
        if seen.status in _BAD_ENDS:
            return f"{run_id} was ended by the server: {seen.status}"
        if seen.status is not WorkflowExecutionStatus.RUNNING:
            return await _trouble_in_history(client, run_id, retries=retries)
        attempt = seen.raw_description.pending_workflow_task.attempt
        if attempt > 1 and (trouble := await _trouble_in_history(client, run_id, retries=retries)):
            return trouble
        status = None if attempt > 1 else await status_of(client, run_id)
        if status is not None and status.phase in phases and status.why:
            return await _trouble_in_history(client, run_id, retries=retries)
        if time.monotonic() > deadline:
            said = "it does not answer" if status is None else f"{status.phase}: {status.why}"
            tries = [f"{each.activity_type.name} #{each.attempt}" for each in seen.raw_description.pending_activities]
            return f"{run_id} neither ends nor waits for anybody ({said}); task attempt {attempt}, steps {tries}"
        await asyncio.sleep(LOOK_SECONDS)


async def status_of(client: Client, run_id: str) -> StatusView | None:
    """What the run says of itself, if it answers."""
    try:
        handle = client.get_workflow_handle(run_id)
        return await handle.query("status", result_type=StatusView, rpc_timeout=QUERY_TIMEOUT)
    except (WorkflowQueryFailedError, RPCError):
        return None


async def _trouble_in_history(client: Client, run_id: str, *, retries: bool) -> str | None:
    slow = 0
    async for event in events_of(client, run_id):
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                failed = event.workflow_task_failed_event_attributes
                slow += _SLOW in failed.failure.message
                if failed.cause not in _HARMLESS and (slow > _SLOW_TASKS or _SLOW not in failed.failure.message):
                    cause = WorkflowTaskFailedCause.Name(failed.cause)
                    where = failed.failure.stack_trace[-600:]
                    return f"{run_id}: a workflow task failed, {cause}: {failed.failure.message:.300}\n{where}"
            case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                started = event.activity_task_started_event_attributes
                lost = started.last_failure.HasField("timeout_failure_info")  # as where the machine is busy
                if started.attempt > 1 and not retries and not lost:
                    return f"{run_id}: a step was tried {started.attempt} times: {started.last_failure.message:.300}"
            case _:
                pass
    return None


async def events_of(client: Client, run_id: str) -> AsyncIterator[HistoryEvent]:
    """The events of all histories of a run, the newest history first."""
    execution: str | None = None
    while True:
        earlier = ""
        async for event in client.get_workflow_handle(run_id, run_id=execution).fetch_history_events():
            earlier = earlier or event.workflow_execution_started_event_attributes.continued_execution_run_id
            yield event
        if not earlier:
            return
        execution = earlier
