"""What `Runner` does; with Temporal's client, which a program that only defines agents does without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perdure.agent import Agent
from perdure.client.host import Host
from perdure.client.launching import find_run, launch
from perdure.client.listing import list_runs
from perdure.client.messaging import send_message
from perdure.client.resuming import find_or_go_on
from perdure.client.wanted import Wanted, unwrapped, wrapper_of
from perdure.contracts.threads import THREAD_PREFIX
from perdure.errors import DecisionConflictError
from perdure.items import TResponseInputItem
from perdure.run import Run
from perdure.run_summary import RunSummary
from perdure.settings import DEFAULT_MAX_TURNS, RunConfig
from perdure.state import RunState
from perdure.thread import Thread


def want(
    agent: Agent[Any] | str, input: str | list[TResponseInputItem], task_queue: str, options: Mapping[str, Any]
) -> Wanted:
    """The run that a caller asks for with these `RunOptions`."""
    given: dict[str, Any] = {"max_turns": DEFAULT_MAX_TURNS, **options}
    config, context = RunConfig.of(given.pop("run_config", None)), given.pop("context", None)
    return Wanted(agent, input, task_queue, config, unwrapped(context), wrapper_of(context), **given)


async def begin(wanted: Wanted) -> Run:
    """The run, started or attached to; or the message, sent to its thread."""
    host = Host.current()
    if wanted.thread is not None or wanted.message_id is not None:
        caller, found, receipt = await send_message(host, wanted)
        return await Run.known(host, caller, found, receipt.sequence)
    return await Run.known(host, *await launch(host, wanted))


async def go_on(wanted: Wanted, state: RunState[Any]) -> Run:
    """The run that the state goes on in, told what was added to the state and what its draft decides."""
    host = Host.current()
    caller, found = await find_or_go_on(host, wanted, state)
    run = await Run.known(host, caller, found, state.sequence if caller.run_id == state.run_id else 0)
    if run.id == state.run_id and not run.was_closed:
        await _commit(run, state)
    return run


async def _commit(run: Run, state: RunState[Any]) -> None:
    for added in state.inputs:  # before the decisions, after which the model may be asked at any time
        await run.send_draft(added)
    conflicts: list[str] = []
    drafted = [(item, draft) for item in state.get_interruptions() if (draft := state.drafts.get(item.id)) is not None]
    # A decision that is to stand covers what waits: the ones about single calls come before it.
    for item, draft in sorted(drafted, key=lambda each: each[1].always):
        try:
            if draft.approve:
                await run.approve(item, always=draft.always)
            else:
                await run.reject(item, reason=draft.reason, always=draft.always)
        except DecisionConflictError as error:
            conflicts.append(error.message)
    if conflicts:
        raise DecisionConflictError(" ".join(conflicts))


async def find(run_id: str) -> Run:
    """The run with this id, or the thread whose id it is.

    Raises:
        RunNotFound: No run of this namespace has it.
    """
    if run_id.startswith(THREAD_PREFIX):
        return await Thread.find(run_id.removeprefix(THREAD_PREFIX))
    host = Host.current()
    return await Run.known(host, *await host.call(find_run(host, run_id)))


async def latest(query: str | None, limit: int) -> list[RunSummary]:
    """The latest runs, as `Runner.list` tells them."""
    host = Host.current()
    connection = await host.call(host.connection())
    return await host.call(list_runs(connection, query, limit))
