"""Moments that are certainly in the middle of a step, so that a worker can be killed there.

The recorded model and the database answer within milliseconds, too fast to hit. So a step is made to wait for something
that a step may have to wait for anywhere: a model that thinks, or a database that somebody else is writing to.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus, WorkflowHandle

from .conversations import Conversation
from .recorded_model import RecordedModel
from .store import BUSY_TIMEOUT_SECONDS, connect
from .workers import Workers

LOOK_SECONDS = 0.02  # between two looks at something that soon happens
HAPPENS_SECONDS = 10.0  # a step that has not begun by then is not waited for; less than the tools wait for a lock
SLICE_SECONDS = 0.001
COMMIT_SECONDS = 2.0  # from the lock's release to the commit of the tool that waited for it

MODEL_CALL = "call_model"


@dataclass(frozen=True)
class Step:
    """One attempt of a step, as Temporal knows it.

    Attributes:
        run_id: Of which run.
        activity: The activity's type, such as `call_model` or `tool.cancel_reservation`.
        activity_id: The activity.
        attempt: From 1.
    """

    run_id: str
    activity: str
    activity_id: str
    attempt: int


class ThinkingModel(RecordedModel):
    """A recorded model that can be told not to answer one request until whoever sent it is dead."""

    def __init__(self, conversations: Sequence[Conversation]) -> None:
        super().__init__(conversations)
        self._lock = threading.Lock()
        self._before: int | None = None  # requests still answered before the one that waits; None: none waits
        self._released = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thinks = asyncio.Event()

    def think_after(self, answers: int) -> None:
        """Answer that many requests more, and let the one after them wait."""
        self._loop = asyncio.get_running_loop()
        self._released.clear()
        with self._lock:
            self._before = answers

    def go_on(self) -> None:
        """Drop the request that waits, and answer all others."""
        with self._lock:
            self._before = None
        self._thinks.clear()
        self._released.set()

    def respond(self, body: Any) -> dict[str, Any]:
        """The recorded answer, unless this request is the one to wait."""
        with self._lock:
            waits = self._before == 0
            self._before = None if waits or self._before is None else self._before - 1
        if waits and self._loop is not None:
            self._loop.call_soon_threadsafe(self._thinks.set)
            self._released.wait()
            sys.exit()  # ends the thread of this connection: nobody is left to read an answer
        return super().respond(body)

    async def wait_until_it_thinks(self) -> None:
        """Wait for the request that `think_after` announced."""
        await self._thinks.wait()


@contextmanager
def locked(database: Path) -> Generator[None]:
    """Hold the database's write lock, as another program that writes would; reading goes on."""
    with closing(sqlite3.connect(database, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def count_effects(database: Path) -> int:
    """How many changes have been made since the database is new."""
    with connect(database) as connection:
        return connection.execute("SELECT count(*) FROM effects").fetchone()[0]


def frozen_at_next_effect(workers: Workers, database: Path, known: int) -> bool:
    """Let a frozen worker run until one more change has been committed, and freeze it there; False if none is.

    It reports a change some milliseconds after the commit. So it gets the processor in slices shorter than that.
    """
    end = time.monotonic() + COMMIT_SECONDS
    with connect(database) as connection:
        while connection.execute("SELECT count(*) FROM effects").fetchone()[0] == known:
            workers.thaw()
            if time.monotonic() > end:
                return False
            time.sleep(SLICE_SECONDS)
            workers.freeze()
    return True


async def step_under_way(handle: WorkflowHandle[Any, Any], activity: str) -> Step | None:
    """Wait until a worker has begun a step of this type; None if it ended before that was seen."""
    begun = False
    try:
        async with asyncio.timeout(HAPPENS_SECONDS):
            while True:
                description = await handle.describe()
                pending = _pending(description, activity)
                if isinstance(pending, Step):
                    return pending
                ended = begun and pending is None
                if ended or description.status != WorkflowExecutionStatus.RUNNING:
                    return None
                begun = begun or pending is not None
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        return None


def _pending(description: WorkflowExecutionDescription, activity: str) -> Step | bool | None:
    """The step if it is under way, True if it is only scheduled, None if there is none."""
    found: bool | None = None
    for pending in description.raw_description.pending_activities:
        if pending.activity_type.name != activity:
            continue
        found = True
        if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED:
            return Step(description.id, activity, pending.activity_id, pending.attempt)
    return found


async def completed_attempts(handle: WorkflowHandle[Any, Any]) -> dict[str, int]:
    """With which attempt each step of a run was completed, by activity id, from the run's history."""
    ids: dict[int, str] = {}
    attempts: dict[int, int] = {}
    completed: dict[str, int] = {}
    async for event in handle.fetch_history_events():
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                ids[event.event_id] = event.activity_task_scheduled_event_attributes.activity_id
            case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                started = event.activity_task_started_event_attributes
                attempts[started.scheduled_event_id] = started.attempt
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                scheduled = event.activity_task_completed_event_attributes.scheduled_event_id
                completed[ids[scheduled]] = attempts[scheduled]
            case _:
                continue
    return completed
