"""How many calls of a queue's runs wait for a decision, and how old the oldest is: told by one of its workers.

A worker knows the runs that it has in memory, and a run that waits for days is in none. So the runs are asked, seldom,
and only those whose history has grown. Of the workers that take the queue's steps the one whose identity comes first
tells for all, and the others tell zeros: whichever there are, the sum over them is right.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from temporalio.client import Client, WorkflowExecution
from temporalio.common import MetricMeter
from temporalio.runtime import Runtime
from temporalio.service import RPCError

from perdure.client.attendance import workers_of
from perdure.connection import Connection
from perdure.contracts.messages import ApprovalView
from perdure.search_attributes import STATUS

_log = logging.getLogger("perdure")

LOOK_SECONDS = 30.0  # between two looks
_MOST_RUNS = 1000  # at one look
_AT_ONCE = 8
_POLLED_WITHIN = timedelta(seconds=90)  # a poll takes a minute at most; who has not come back since is gone
_ANSWER = timedelta(seconds=10)

Labels: TypeAlias = tuple[str, str]  # agent, tool


@dataclass(frozen=True, slots=True)
class _Known:
    """What a run waited for when its history had this length."""

    length: int
    since: list[tuple[Labels, float]]


async def report(connection: Connection, queue: str) -> None:
    """Tells for ever, where metrics are exported."""
    meter = Runtime.default().metric_meter
    if meter is MetricMeter.noop:
        return
    inbox = InboxMetrics(connection.client, queue, meter, lists=connection.lists)
    while True:
        try:
            await inbox.look()
        except RPCError as error:
            _log.debug("the waiting calls of queue %s cannot be counted now: %s", queue, error.message)
        await asyncio.sleep(LOOK_SECONDS)


class InboxMetrics:
    """The gauges of one queue."""

    def __init__(self, client: Client, queue: str, meter: MetricMeter, *, lists: bool = False) -> None:
        self._client = client
        self._queue = queue
        self._lists = lists  # whether runs are listed by their status
        self._waiting = meter.create_gauge("perdure_approvals_waiting", "calls that wait for a decision")
        name = "perdure_approval_oldest_seconds"
        self._oldest = meter.create_gauge_float(name, "how long the oldest of these has waited", "seconds")
        self._told: set[Labels] = set()
        self._known: dict[str, _Known] = {}

    async def look(self) -> None:
        """Counts once.

        Raises:
            RPCError: The server does not answer.
        """
        workers = await workers_of(self._client, self._queue, "activity", seen_within=_POLLED_WITHIN)
        tells = self._client.identity == min(workers, default=self._client.identity)
        self._known = await self._runs() if tells else {}
        since: defaultdict[Labels, list[float]] = defaultdict(list)
        for run in self._known.values():
            for labels, began in run.since:
                since[labels].append(began)
        for labels in self._told | set(since):
            named = {"agent": labels[0], "tool": labels[1]}
            self._waiting.set(len(since[labels]), named)
            self._oldest.set(max(time.time() - min(since[labels]), 0.0) if since[labels] else 0.0, named)
        self._told |= set(since)

    async def _runs(self) -> dict[str, _Known]:
        """The runs of the queue that are under way, by their executions."""
        wanted = f'WorkflowType = "AgentRun" AND ExecutionStatus = "Running" AND TaskQueue = "{self._queue}"'
        if self._lists:
            wanted += f' AND ({STATUS.name} = "waiting for approval" OR {STATUS.name} IS NULL)'
        turns = asyncio.Semaphore(_AT_ONCE)

        async def asked(execution: WorkflowExecution) -> tuple[str, _Known | None]:
            async with turns:
                return execution.run_id, await self._ask(execution)

        found = [each async for each in self._client.list_workflows(wanted, limit=_MOST_RUNS)]
        return {run_id: known for run_id, known in await asyncio.gather(*map(asked, found)) if known is not None}

    async def _ask(self, execution: WorkflowExecution) -> _Known | None:
        """What a run waits for; of one that does not answer, what it did before."""
        known = self._known.get(execution.run_id)
        handle = self._client.get_workflow_handle(execution.id, run_id=execution.run_id)
        try:
            length = (await handle.describe()).history_length
            if known is not None and known.length == length:
                return known
            asked: Any = await handle.query("approvals", result_type=list[ApprovalView], rpc_timeout=_ANSWER)
        except (RPCError, RuntimeError) as error:
            _log.debug("run %s does not tell what waits: %s", execution.id, error)
            return known
        views: list[ApprovalView] = asked
        began = [((view.agent, view.tool), datetime.fromisoformat(view.since).timestamp()) for view in views]
        return _Known(length, began)
