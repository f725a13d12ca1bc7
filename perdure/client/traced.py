"""In which trace an earlier run is, as its history tells: so that the run that goes on from it is part of the same."""

from __future__ import annotations

from temporalio.client import Client
from temporalio.service import RPCError

from perdure.contracts.threads import THREAD_PREFIX
from perdure.telemetry.environment import is_disabled
from perdure.telemetry.links import PARENT, Link, link_of, read

_EVENTS = 50  # a traced run schedules its first step long before


async def trace_of(client: Client, run_id: str) -> Link | None:
    """The span of a run; `None` if it was not traced, or is gone.

    Of a thread's message there is no telling: a thread has as many as it has messages.
    """
    if is_disabled() or run_id.startswith(THREAD_PREFIX):
        return None
    events = client.get_workflow_handle(run_id).fetch_history_events(page_size=_EVENTS)
    looked = 0
    try:
        async for event in events:
            begun = read(event.workflow_execution_started_event_attributes.header.fields)
            told = begun if PARENT in begun else read(event.activity_task_scheduled_event_attributes.header.fields)
            looked += 1
            if (link := link_of(told.get("traceparent"))) is not None or looked == _EVENTS:
                return link
    except RPCError:  # it is not needed for going on
        return None
    return None
