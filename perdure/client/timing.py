"""When a run's steps were done, and by how many attempts: read from its histories, the first one first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

_ENDS = {
    "activity_task_completed_event_attributes": "completed",
    "activity_task_failed_event_attributes": "failed",
    "activity_task_timed_out_event_attributes": "timed out",
    "activity_task_canceled_event_attributes": "cancelled",
}
_CONTINUED = "workflow_execution_continued_as_new_event_attributes"


@dataclass(slots=True)
class StepTimes:
    """One step of a run.

    Attributes:
        step: Its id: the kind of step, then the turn or the call.
        activity: What did it, as the Temporal UI names it; `summary` is its line there.
        scheduled: ISO 8601, UTC, as `started` (by its last attempt) and `ended`.
        outcome: `"completed"`, `"failed"`, `"timed out"`, `"cancelled"`, or empty while it goes on.
        failure: The last attempt's error, if it failed.
    """

    step: str
    activity: str
    summary: str
    scheduled: str
    started: str = ""
    ended: str = ""
    attempts: int = 0
    outcome: str = ""
    failure: str = ""


async def steps_of(client: Client, run_id: str, execution: str, tell: Callable[[str], None]) -> list[StepTimes]:
    """The steps of all executions of a run, in the order in which they were scheduled.

    Args:
        client: The connection.
        run_id: The run.
        execution: The first of its executions.
        tell: Told how far the reading has come.
    """
    steps: list[StepTimes] = []
    read = 0
    while execution:
        scheduled: dict[int, StepTimes] = {}
        newer = ""
        async for event in _events(client, run_id, execution):
            read += 1
            if read % 1000 == 0:
                tell(f"{read} events of the history are read")
            newer = await _take(client, event, scheduled) or newer
        steps += scheduled.values()
        execution = newer
    return steps


async def _events(client: Client, run_id: str, execution: str) -> AsyncIterator[HistoryEvent]:
    async for event in client.get_workflow_handle(run_id, run_id=execution).fetch_history_events():
        yield event


async def _take(client: Client, event: HistoryEvent, steps: dict[int, StepTimes]) -> str:
    """Notes what an event says; the execution that the run has gone on in, if it says that."""
    kind = event.WhichOneof("attributes") or ""
    told: Any = getattr(event, kind, None)
    if kind == "activity_task_scheduled_event_attributes":
        summary = await _text(client, event.user_metadata.summary)
        steps[event.event_id] = StepTimes(told.activity_id, told.activity_type.name, summary, moment(event.event_time))
    elif kind == "activity_task_started_event_attributes" and told.scheduled_event_id in steps:
        step = steps[told.scheduled_event_id]
        step.started, step.attempts = moment(event.event_time), told.attempt
        step.failure = told.last_failure.message
    elif kind in _ENDS and told.scheduled_event_id in steps:
        step = steps[told.scheduled_event_id]
        step.ended, step.outcome = moment(event.event_time), _ENDS[kind]
        if kind == "activity_task_failed_event_attributes":
            step.failure = told.failure.message
    return told.new_execution_run_id if kind == _CONTINUED else ""


async def _text(client: Client, payload: Payload) -> str:
    if not payload.ByteSize():
        return ""
    return str((await client.data_converter.decode([payload]))[0])


def moment(time: Timestamp | datetime) -> str:
    """A moment as ISO 8601, UTC, in milliseconds."""
    at = time.ToDatetime() if isinstance(time, Timestamp) else time
    return f"{at.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
