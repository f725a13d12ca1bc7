"""Runner: starts runs, finds them again, and waits for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, TypedDict, cast

from temporalio.client import WorkflowExecutionStatus
from typing_extensions import Unpack

from perdure.agent import Agent
from perdure.client.host import Host
from perdure.client.listing import RunSummary, list_runs
from perdure.client.outcomes import Caller
from perdure.client.queues import NAMED_QUEUE, is_process_queue
from perdure.client.starting import Found, agent_of, find, make_input, new_run_id, settings_of, start_or_attach
from perdure.client.thread_loop import run_in_thread_loop
from perdure.connection import run_url
from perdure.context import RunContextWrapper
from perdure.definition import snapshot
from perdure.errors import DecisionConflictError, UserError
from perdure.items import TResponseInputItem
from perdure.portable_context import context_state
from perdure.result import RunResult
from perdure.run import Run
from perdure.served import Lent
from perdure.settings import DEFAULT_MAX_TURNS, RunConfig
from perdure.state import RunState


class RunOptions(TypedDict, total=False):
    """The options of `Runner.run`."""

    context: Any
    max_turns: int | None
    run_config: RunConfig | None
    run_id: str | None
    rerun: bool
    take_over: bool


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the caller asks for, checked."""

    agent: Agent[Any] | str
    given: str | list[TResponseInputItem]
    context: Any
    max_turns: int | None
    config: RunConfig
    run_id: str | None
    rerun: bool
    take_over: bool
    task_queue: str


class Runner:
    """Runs agents. Every run is a Temporal workflow; what it is served by is said in `start`."""

    @staticmethod
    async def run(
        starting_agent: Agent[Any] | str,
        input: str | list[TResponseInputItem] | RunState[Any],
        *,
        context: Any | None = None,
        max_turns: int | None = DEFAULT_MAX_TURNS,
        run_config: RunConfig | None = None,
        run_id: str | None = None,
        rerun: bool = False,
        take_over: bool = False,
    ) -> RunResult:
        """Runs an agent until it ends or waits for approval.

        Args:
            starting_agent: The agent, or the name of one that a worker serves.
            input: A message, a list of input items, or a `RunState` whose decisions are to be committed.
            context: Handed to tools; its state travels as JSON, its resources stay with this object.
            max_turns: How often the model may be asked; `None` for no limit.
            run_config: Settings for the whole run.
            run_id: The run's id. A run that has it is attached to, if it is one of this agent and input.
            rerun: If the run with this id has ended, start anew instead of returning how it ended.
            take_over: Serve the run although it cannot be known whether the process that started it is dead.

        Returns:
            The result; with `interruptions` if calls wait for approval.

        Raises:
            AgentsException: What the run ended in; a user's own exception is the same object in this process.
            RunConflictError: The id belongs to a run of another agent or with another input.
        """
        if isinstance(input, RunState):
            return await _resume(starting_agent, input, context, run_config)
        run = await Runner.start(
            starting_agent,
            input,
            context=context,
            max_turns=max_turns,
            run_config=run_config,
            run_id=run_id,
            rerun=rerun,
            take_over=take_over,
        )
        return await run.result_or_interruptions()

    @staticmethod
    def run_sync(
        starting_agent: Agent[Any] | str,
        input: str | list[TResponseInputItem] | RunState[Any],
        **options: Unpack[RunOptions],
    ) -> RunResult:
        """`run` for programs without a loop; the options are the same.

        Raises:
            RuntimeError: A loop is running in this thread; await `run` there.
        """
        return run_in_thread_loop(Runner.run(starting_agent, input, **options))

    @staticmethod
    async def start(
        starting_agent: Agent[Any] | str,
        input: str | list[TResponseInputItem],
        *,
        context: Any | None = None,
        max_turns: int | None = DEFAULT_MAX_TURNS,
        run_config: RunConfig | None = None,
        run_id: str | None = None,
        rerun: bool = False,
        take_over: bool = False,
        task_queue: str = NAMED_QUEUE,
    ) -> Run:
        """Starts a run, or attaches to the one that has its id, and returns at once.

        An `Agent` object is served by this process: its tools, callables and model objects run here, on the loop that
        this is called on. A name is served by a worker elsewhere, started with `perdure worker MODULE`.

        Args:
            starting_agent: See `run`, as for the other arguments.
            input: See `run`.
            context: See `run`.
            max_turns: See `run`.
            run_config: See `run`.
            run_id: See `run`.
            rerun: See `run`.
            take_over: See `run`.
            task_queue: Where workers serve the agent by name.
        """
        if max_turns is not None and (isinstance(max_turns, bool) or max_turns < 0):
            raise UserError(f"max_turns is {max_turns!r}; it must be a number from 0 on, or None for no limit.")
        unwrapped: Any = cast("Any", context).context if isinstance(context, RunContextWrapper) else context
        config = run_config or RunConfig()
        wanted = _Wanted(starting_agent, input, unwrapped, max_turns, config, run_id, rerun, take_over, task_queue)
        return await _start(wanted)

    @staticmethod
    async def get(run_id: str) -> Run:
        """The run with this id.

        Raises:
            RunNotFound: No run of this namespace has it.
        """
        host = Host.current()
        return await host.call(_get(host, run_id))

    @staticmethod
    async def list(query: str | None = None, *, limit: int = 100) -> list[RunSummary]:
        """The latest runs, newest first.

        Args:
            query: A further condition in Temporal's list filter language, such as `ExecutionStatus = "Running"`.
            limit: How many at most.
        """
        host = Host.current()
        connection = await host.call(host.connection())
        return await host.call(list_runs(connection, query, limit))


async def _start(wanted: _Wanted) -> Run:
    host = Host.current()
    state = context_state(wanted.context)
    if isinstance(wanted.agent, str):
        return await host.call(_start_by_name(host, wanted, wanted.agent, state))
    taken = snapshot(wanted.agent, wanted.config)
    loop = asyncio.get_running_loop()
    host.lease(loop)
    run_id = wanted.run_id or new_run_id(wanted.agent.name)
    earlier = host.served.lent(run_id)
    lent = earlier
    if lent is None or wanted.rerun or not lent.loop.is_running():
        lent = Lent(wanted.agent, wanted.config, wanted.context, loop)
        host.served.lend(run_id, lent)
    caller = Caller(run_id, wanted.agent, wanted.given, lent, wanted.max_turns)
    fields = {"snapshot": taken, "context": state}
    try:
        return await host.call(_start_here(host, wanted, caller, fields))
    except Exception:
        host.served.lend_back(run_id, earlier)  # the id may belong to a run that is served by other objects
        raise


async def _start_here(host: Host, wanted: _Wanted, caller: Caller, fields: dict[str, Any]) -> Run:
    connection = await host.connection()
    queue = await host.own_queue()
    settings = settings_of(wanted.config, by_name=False)
    run = make_input(
        caller.agent.name,
        fields["snapshot"],
        wanted.given,
        await host.blobs(),
        context=fields["context"],
        max_turns=wanted.max_turns,
        settings=settings,
    )
    found = await start_or_attach(connection.client, caller.run_id, queue, run, rerun=wanted.rerun, eager=True)
    if not found.started and not found.closed and is_process_queue(found.queue):
        await host.take_over(found.queue, by_force=wanted.take_over)
    return await _run(host, caller, found)


async def _start_by_name(host: Host, wanted: _Wanted, agent: str, state: dict[str, Any] | None) -> Run:
    connection = await host.connection()
    caller = Caller(wanted.run_id or new_run_id(agent), Agent(name=agent), wanted.given, None, wanted.max_turns)
    settings = settings_of(wanted.config, by_name=True)
    run = make_input(
        agent, None, wanted.given, await host.blobs(), context=state, max_turns=wanted.max_turns, settings=settings
    )
    found = await start_or_attach(
        connection.client, caller.run_id, wanted.task_queue, run, rerun=wanted.rerun, eager=False
    )
    return await _run(host, caller, found)


async def _run(host: Host, caller: Caller, found: Found) -> Run:
    url = run_url(await host.connection(), caller.run_id, found.workflow_run_id)
    return Run(host, caller, found.workflow_run_id, found.queue, url)


async def _get(host: Host, run_id: str) -> Run:
    connection = await host.connection()
    description = await find(connection.client, run_id)
    lent = host.served.lent(run_id)
    agent: Agent[Any] = lent.agent if lent is not None else Agent(name=await agent_of(description))
    closed = description.status != WorkflowExecutionStatus.RUNNING
    return await _run(
        host, Caller(run_id, agent, None, lent), Found(description.run_id, description.task_queue, False, closed)
    )


async def _resume(
    agent: Agent[Any] | str, state: RunState[Any], context: Any | None, config: RunConfig | None
) -> RunResult:
    """Commits a draft's decisions and waits for what comes next."""
    host = Host.current()
    run = await Runner.get(state.run_id)
    if isinstance(agent, Agent):
        run = await _lend_again(host, run, agent, context, config)
    conflicts: list[str] = []
    for item in state.get_interruptions():
        draft = state.drafts.get(item.id)
        try:
            if draft is not None and draft.approve:
                await run.approve(item, always=draft.always)
            elif draft is not None:
                await run.reject(item, reason=draft.reason, always=draft.always)
        except DecisionConflictError as error:
            conflicts.append(error.message)
    if conflicts:
        raise DecisionConflictError(" ".join(conflicts))
    return await run.result_or_interruptions()


async def _lend_again(host: Host, run: Run, agent: Agent[Any], context: Any, config: RunConfig | None) -> Run:
    """Serves a waiting run with these objects, if this process does not serve it already."""
    lent = host.served.lent(run.id)
    if lent is None or not lent.loop.is_running():
        loop = asyncio.get_running_loop()
        host.lease(loop)
        lent = Lent(agent, config or RunConfig(), context, loop)
        host.served.lend(run.id, lent)
        if is_process_queue(run.task_queue):
            await host.call(host.take_over(run.task_queue))
    elif context is not None:
        lent.context = context
    return await host.call(_get(host, run.id))
