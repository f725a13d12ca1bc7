"""Follows a run by its history: the server says when something happened, so that nothing has to be polled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistoryEventAsyncIterator, WorkflowHistoryEventFilterType

from perdure.client.host import Host
from perdure.client.patience import patiently

_PAUSE_SECONDS = 0.1  # between two looks at a busy run, so that watching costs at most ten calls a second

_TIMER_ENDS = (EventType.EVENT_TYPE_TIMER_FIRED, EventType.EVENT_TYPE_TIMER_CANCELED)


async def waits(host: Host, run_id: str, workflow_run_id: str | None) -> AsyncGenerator[bool]:
    """Tells after each batch of events whether the run has a timer open, as it has while a call waits for approval.

    Ends with the run.
    """
    token: bytes | None = None
    open_timers: set[int] = set()
    while True:
        page = await patiently(host, partial(_next_page, run_id, workflow_run_id, token))
        events = list(page.current_page or ())
        for event in events:
            _follow(event, open_timers)
        token = page.next_page_token
        going_on = events[-1].workflow_execution_continued_as_new_event_attributes if events else None
        if going_on is not None and going_on.new_execution_run_id:
            workflow_run_id, token = going_on.new_execution_run_id, None
            open_timers.clear()
            continue
        yield bool(open_timers)
        if token is None:
            return
        await asyncio.sleep(_PAUSE_SECONDS)


async def _next_page(
    run_id: str, workflow_run_id: str | None, token: bytes | None, client: Client
) -> WorkflowHistoryEventAsyncIterator:
    events = client.get_workflow_handle(run_id, run_id=workflow_run_id).fetch_history_events(
        next_page_token=token,
        wait_new_event=True,
        event_filter_type=WorkflowHistoryEventFilterType.ALL_EVENT,
        skip_archival=True,
    )
    await events.fetch_next_page()
    return events


def _follow(event: HistoryEvent, open_timers: set[int]) -> None:
    if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED:
        open_timers.add(event.event_id)
    elif event.event_type in _TIMER_ENDS:
        fired = event.timer_fired_event_attributes.started_event_id
        open_timers.discard(fired or event.timer_canceled_event_attributes.started_event_id)
