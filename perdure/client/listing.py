"""Lists runs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from perdure.client.starting import noted_of
from perdure.connection import Connection, run_url
from perdure.errors import PayloadUnreadable
from perdure.search_attributes import STATUS


@dataclass(frozen=True)
class RunSummary:
    """A run in a list.

    Attributes:
        listed: Whether it waits for a person, and for what, as `PerdureStatus` in the Temporal UI; empty where the
            namespace has no such search attribute.
    """

    id: str
    agent: str
    status: str
    started: datetime
    closed: datetime | None
    queue: str
    url: str | None
    listed: str = ""


async def list_runs(connection: Connection, query: str | None, limit: int) -> list[RunSummary]:
    """The latest runs, newest first, as `Runner.list` tells them."""
    condition = 'WorkflowType = "AgentRun" AND ExecutionStatus != "ContinuedAsNew"' + (
        f" AND ({query})" if query else ""
    )
    found: list[RunSummary] = []
    async for execution in connection.client.list_workflows(condition, limit=limit):
        noted: dict[str, Any] = {}
        with contextlib.suppress(PayloadUnreadable):  # its key is missing here, or a stranger has started it
            noted = await noted_of(execution)
        found.append(
            RunSummary(
                id=execution.id,
                agent=noted.get("agent", ""),
                status=execution.status.name.lower() if execution.status else "unknown",
                started=execution.start_time,
                closed=execution.close_time,
                queue=execution.task_queue,
                url=run_url(connection, execution.id, execution.run_id),
                listed=execution.typed_search_attributes.get(STATUS, ""),
            )
        )
    return found
