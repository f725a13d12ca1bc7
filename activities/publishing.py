"""Tells who watches a run what its model says while it says it."""

from __future__ import annotations

import uuid
from typing import Any

from temporalio import activity

from perdure.contracts.steps import CallModelInput
from perdure.event_hub import EventHub
from perdure.event_transport import Delta
from perdure.model import Publish

from .attempts import Progress

_WATCHED = "watched"  # noted: that somebody watched elsewhere, who will find the next attempt wherever it is made


def publisher(events: EventHub, call: CallModelInput, progress: Progress) -> Publish | None:
    """What takes the answer's events, if somebody watches; who does is told that the attempt begins."""
    info = activity.info()
    run_id = info.workflow_id or ""
    elsewhere = progress.noted(_WATCHED) is not None or events.is_watched_elsewhere(run_id)
    if call.path or not (elsewhere or events.is_watched_here(run_id)):  # of an agent as a tool nobody is told
        return None
    if elsewhere:
        progress.note(_WATCHED, True)
    stream, execution = uuid.uuid4().hex, info.workflow_run_id or ""
    count = 0

    def publish(event: Any) -> None:
        nonlocal count
        events.publish(run_id, Delta(call.path, call.turn, info.attempt, event, call.cuts, count, stream, execution))
        count += 1

    publish(None)
    return publish
