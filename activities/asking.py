"""Asks the run that a step belongs to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from perdure.contracts.messages import AHEAD_TEXT

ANSWER_WITHIN = timedelta(seconds=10)

_SHARES = (0.2, 0.3, 0.5)  # of the time: a query may be lost on its way, where a worker has just forgotten the run
_LOST = (RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED)
_T = TypeVar("_T")


async def ask(
    handle: WorkflowHandle[Any, Any], query: str, kind: type[_T], *arguments: Any, within: timedelta = ANSWER_WITHIN
) -> _T:
    """What the run answers; a query that was lost, or came too early, is sent again.

    Raises:
        RPCError: No worker or server answered in that time.
        WorkflowQueryFailedError: The run did not take the query.
    """
    for share in _SHARES[:-1]:
        try:
            return await handle.query(query, args=arguments, result_type=kind, rpc_timeout=within * share)
        except RPCError as error:
            if error.status not in _LOST:
                raise
        except WorkflowQueryFailedError as error:
            if AHEAD_TEXT not in str(error):
                raise
    return await handle.query(query, args=arguments, result_type=kind, rpc_timeout=within * _SHARES[-1])
