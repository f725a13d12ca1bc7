"""Waits for a run's end, or for the moment in which it waits for decisions, and makes the caller's result of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from temporalio.client import WorkflowFailureError

from perdure.client.execution import Execution
from perdure.client.failing import exception_of, failed_outcome
from perdure.client.outcomes import pause_of, result_of
from perdure.result import RunResult


async def result(run: Execution) -> RunResult:
    """Waits to the run's end.

    Raises:
        AgentsException: What the run ended in, as the Agents SDK would raise it, or a user's own exception.
    """
    try:
        outcome = await run.outcome()
    except WorkflowFailureError as error:
        failed = error
    else:
        _give_back(run)
        return result_of(run.caller, await run.ended(outcome), outcome)
    _give_back(run)
    outcome = failed_outcome(failed)
    reached = await run.ended(outcome) if outcome is not None else None
    # Raised out here, so that the exception keeps the cause it was raised with.
    raise exception_of(failed, run.caller, reached, outcome)


def _give_back(run: Execution) -> None:
    lent, run_id = run.caller.lent, run.caller.run_id
    if run.caller.message_id:
        run.host.served.end_message(run_id, run.caller.message_id)
    elif lent is not None and run.host.served.lent(run_id) is lent:
        run.host.served.take_back(run_id)


async def result_or_pause(run: Execution, each: Callable[[], None] | None = None) -> RunResult:
    """Waits until the run ends or nothing but decisions can move it on.

    Args:
        run: The run's workflow.
        each: Called whenever something has happened in the run.

    Raises:
        AgentsException: What the run ended in.
    """
    ended = asyncio.create_task(result(run))
    pause = asyncio.create_task(run.pause(each))
    try:
        await asyncio.wait([ended, pause], return_when=asyncio.FIRST_COMPLETED)
        status = pause.result() if pause.done() and not ended.done() else None
        if status is None:
            return await ended
        frozen = await run.query("state", dict[str, Any])
        frozen["root"].pop("stopping", None)  # whoever goes on from there wants it to go on
        frozen.pop("steering", None)
        return pause_of(run.caller, await run.reached(status), status, frozen)
    finally:
        ended.cancel()
        pause.cancel()
