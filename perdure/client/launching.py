"""Starts runs with all that goes with it: the snapshot, what the caller lends, and the queue."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

from temporalio.client import WorkflowExecutionStatus

from perdure.agent import Agent
from perdure.blobs import unblocked
from perdure.client.host import Host
from perdure.client.outcomes import Caller
from perdure.client.queues import is_process_queue
from perdure.client.starting import (
    Found,
    agent_of,
    find,
    given_input,
    make_input,
    new_run_id,
    start_if_free,
    start_or_attach,
)
from perdure.client.traced import trace_of
from perdure.client.wanted import Wanted, settings_of
from perdure.contracts.run import RunInput
from perdure.definition import Snapshot
from perdure.lending import Lent
from perdure.portable_context import context_state
from perdure.snapshot import snapshot
from perdure.telemetry.callers import going_on_from


async def launch(host: Host, wanted: Wanted) -> tuple[Caller, Found]:
    """Starts a run, or attaches to the one that has its id; called on the loop that the user's code runs on."""
    wanted.check()
    state = context_state(wanted.context)
    if isinstance(wanted.agent, str):
        return await host.call(_launch_by_name(host, wanted, wanted.agent, state))
    taken = snapshot(wanted.agent, wanted.config, wanted.hooks, wanted.error_handlers)
    run_id = wanted.run_id or new_run_id(wanted.agent.name)
    wanted.begins(run_id)
    earlier = host.served.lent(run_id)
    lent = earlier
    if lent is None or wanted.rerun or not lent.loop.is_running():
        lent = lend(host, run_id, wanted)
    else:
        host.lease(asyncio.get_running_loop())
    caller = Caller(run_id, wanted.agent, lent)
    try:
        return caller, await host.call(_launch_here(host, wanted, caller, taken, state))
    except Exception:
        host.served.lend_back(run_id, earlier)  # the id may belong to a run that is served by other objects
        raise


def lend(host: Host, run_id: str, wanted: Wanted) -> Lent:
    """Serves a run with the caller's objects, on the loop that is running."""
    lent = lent_by(host, wanted)
    host.served.lend(run_id, lent)
    return lent


def lent_by(host: Host, wanted: Wanted) -> Lent:
    """The caller's objects, on the loop that is running."""
    if isinstance(wanted.agent, str):
        raise TypeError(f"agent {wanted.agent!r} is a name; only an Agent object can be lent")
    loop = asyncio.get_running_loop()
    host.lease(loop)
    handlers = dict(wanted.error_handlers or {})
    lent = Lent(wanted.agent, wanted.config, wanted.context, loop, wanted.hooks, handlers)
    lent.lend_wrapper(wanted.wrapper)
    lent.session = wanted.session
    return lent


async def _launch_here(
    host: Host, wanted: Wanted, caller: Caller, taken: Snapshot, state: dict[str, Any] | None
) -> Found:
    connection, blobs = await host.connection(), await host.blobs()
    queue = await host.own_queue()
    run = make_input(
        caller.agent.name,
        snapshot=taken,
        settings=settings_of(wanted.config, by_name=False),
        **await unblocked(blobs, given_input, wanted.given, blobs),
        **_options(wanted, state),
    )
    found = await start_or_attach(connection, caller.run_id, queue, run, rerun=wanted.rerun, eager=True)
    if not found.started and not found.closed and is_process_queue(found.queue):
        await host.take_over(found.queue, by_force=wanted.take_over)
    return found


async def _launch_by_name(host: Host, wanted: Wanted, agent: str, state: dict[str, Any] | None) -> tuple[Caller, Found]:
    connection, blobs = await host.connection(), await host.blobs()
    caller = Caller(wanted.run_id or new_run_id(agent), Agent(name=agent))
    run = make_input(
        agent,
        settings=settings_of(wanted.config, by_name=True),
        **await unblocked(blobs, given_input, wanted.given, blobs),
        **_options(wanted, state),
    )
    wanted.begins(caller.run_id)
    if wanted.reach is not None:
        await wanted.reach(caller.run_id, wanted.task_queue)
    found = await start_or_attach(connection, caller.run_id, wanted.task_queue, run, rerun=wanted.rerun, eager=False)
    return caller, found


def _options(wanted: Wanted, context: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "context": context,
        "max_turns": wanted.max_turns,
        "previous_response_id": wanted.previous_response_id,
        "auto_previous_response_id": wanted.auto_previous_response_id,
        "conversation_id": wanted.conversation_id,
        "session": wanted.session_definition,
    }


async def find_run(host: Host, run_id: str) -> tuple[Caller, Found]:
    """The run with this id, as this process knows it.

    Raises:
        RunNotFound: There is none.
    """
    connection = await host.connection()
    description = await find(connection.client, run_id)
    lent = host.served.lent(run_id)
    agent: Agent[Any] = lent.agent if lent is not None else Agent(name=await agent_of(description))
    closed = description.status != WorkflowExecutionStatus.RUNNING
    completed = description.status == WorkflowExecutionStatus.COMPLETED
    found = Found(description.run_id, description.task_queue, started=False, closed=closed, completed=completed)
    return Caller(run_id, agent, lent), found


async def launch_state(
    host: Host, wanted: Wanted, earlier: str, state: dict[str, Any], *, attach: bool
) -> tuple[Caller, Found]:
    """Starts a run that goes on from a state of another; called on the loop that the user's code runs on.

    Args:
        host: This process.
        wanted: Whom it is served by; its `run_id`, if it has one, is the run's.
        earlier: The other run's id: the run's is that with the next free number after it.
        state: Where it goes on.
        attach: Whether a run that went on from this very state already is the one.
    """
    name = wanted.agent if isinstance(wanted.agent, str) else wanted.agent.name
    run = make_input(name, settings=settings_of(wanted.config, by_name=isinstance(wanted.agent, str)), state=state)
    base = earlier.replace("/", "-")  # of a thread: what goes on is none
    for run_id in _ids(base) if wanted.run_id is None else [wanted.run_id]:
        wanted.begins(run_id)
        lent_before = host.served.lent(run_id)
        lent = None if isinstance(wanted.agent, str) else lend(host, run_id, wanted)
        agent: Agent[Any] = Agent(name=wanted.agent) if isinstance(wanted.agent, str) else wanted.agent
        try:
            found = await host.call(_start_state(host, wanted, run_id, run, earlier, attach=attach))
        except Exception:
            host.served.lend_back(run_id, lent_before)
            raise
        if found is not None:
            return Caller(run_id, agent, lent), found
        host.served.lend_back(run_id, lent_before)
    raise RuntimeError("no id is free")  # there is always a further number


def _ids(base: str) -> Iterator[str]:
    return (f"{base}-{number}" for number in itertools.count(2))


async def _start_state(
    host: Host, wanted: Wanted, run_id: str, run: RunInput, earlier: str, *, attach: bool
) -> Found | None:
    """The run, started or attached to; `None` if its id is taken and another one may be tried."""
    connection = await host.connection()
    by_name = isinstance(wanted.agent, str)
    if by_name and wanted.reach is not None:
        await wanted.reach(run_id, wanted.task_queue)
    queue = wanted.task_queue if by_name else await host.own_queue()
    with going_on_from(await trace_of(connection.client, earlier)):
        if wanted.run_id is not None:
            return await start_or_attach(connection, run_id, queue, run, rerun=wanted.rerun, eager=not by_name)
        return await start_if_free(connection, run_id, queue, run, attach=attach, eager=not by_name)
