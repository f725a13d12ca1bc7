"""Lists runs."""

from __future__ import annotations

import contextlib
from typing import Any

from perdure.client.starting import noted_of
from perdure.connection import Connection, run_url
from perdure.errors import PayloadUnreadable
from perdure.run_summary import RunSummary
from perdure.search_attributes import COST, STATUS


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
                cost_usd=execution.typed_search_attributes.get(COST),
            )
        )
    return found
