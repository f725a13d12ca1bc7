"""Waits through a server's absence: a run does not end because its server restarts, so neither does waiting for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from temporalio.client import Client, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from perdure.client.host import Host
from perdure.errors import ServerUnavailable

_log = logging.getLogger("perdure")
_T = TypeVar("_T")

# An RPCError: a task of the run fails, or the server's 2,000 updates are used up; it takes signals all the same.
UNANSWERED = (WorkflowUpdateRPCTimeoutOrCancelledError, RPCError)
_UPDATE_TIMEOUTS = (timedelta(seconds=5), timedelta(seconds=10))  # the second once this process answers, if it can
_AGAIN_SECONDS = 1.0
_ABSENT = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)


async def patiently(host: Host, ask: Callable[[Client], Awaitable[_T]]) -> _T:
    """What the server answers, asked again for as long as there is none; an embedded one is started again."""
    absent = False
    while True:
        try:
            return await ask((await host.connection()).client)
        except (RPCError, ServerUnavailable) as error:
            if isinstance(error, RPCError) and error.status not in _ABSENT:
                raise
            if not absent:
                _log.warning("the Temporal server does not answer (%s); waiting for it", error)
            absent = True
        await asyncio.sleep(_AGAIN_SECONDS)


async def insisted(host: Host, queue: str, update: Callable[[timedelta], Awaitable[_T]]) -> _T:
    """What a run answers to an update within a time, be it that this process has to answer for its queue.

    Raises:
        WorkflowUpdateRPCTimeoutOrCancelledError: Nobody answers.
        RPCError: The server takes no update.
    """
    first, second = _UPDATE_TIMEOUTS
    try:
        return await update(first)
    except UNANSWERED:  # nobody answered in time; this process can
        await host.answer_for(queue)
    return await update(second)
