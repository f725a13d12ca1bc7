"""Runner: starts runs, finds them again, and waits for them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from typing_extensions import TypedDict, Unpack

from perdure.agent import Agent
from perdure.client.host import Host
from perdure.client.launching import find_run, launch
from perdure.client.listing import RunSummary, list_runs
from perdure.client.messaging import send_message
from perdure.client.queues import NAMED_QUEUE
from perdure.client.resuming import find_or_go_on
from perdure.client.thread_loop import run_in_thread_loop
from perdure.client.wanted import Wanted, unwrapped, wrapper_of
from perdure.contracts.threads import THREAD_PREFIX
from perdure.error_handlers import RunErrorHandlers
from perdure.errors import DecisionConflictError
from perdure.hooks import RunHooks
from perdure.items import TResponseInputItem
from perdure.result import RunResult
from perdure.result_streaming import RunResultStreaming
from perdure.run import Run
from perdure.session import Session
from perdure.settings import DEFAULT_MAX_TURNS, RunConfig
from perdure.state import RunState
from perdure.streamed import run_streamed
from perdure.thread import Thread


class RunOptions(TypedDict, total=False):
    """The options of `Runner.run`."""

    context: Any
    max_turns: int | None
    hooks: RunHooks[Any] | None
    run_config: RunConfig | Mapping[str, Any] | None
    error_handlers: RunErrorHandlers[Any] | None
    previous_response_id: str | None
    auto_previous_response_id: bool
    conversation_id: str | None
    session: Session | str | None
    run_id: str | None
    thread: str | None
    message_id: str | None
    rerun: bool
    take_over: bool


class Runner:
    """Runs agents. Every run is a Temporal workflow; what it is served by is said in `start`."""

    @staticmethod
    async def run(
        starting_agent: Agent[Any] | str,
        input: str | list[TResponseInputItem] | RunState[Any],
        *,
        context: Any | None = None,
        max_turns: int | None = DEFAULT_MAX_TURNS,
        hooks: RunHooks[Any] | None = None,
        run_config: RunConfig | Mapping[str, Any] | None = None,
        error_handlers: RunErrorHandlers[Any] | None = None,
        previous_response_id: str | None = None,
        auto_previous_response_id: bool = False,
        conversation_id: str | None = None,
        session: Session | str | None = None,
        run_id: str | None = None,
        thread: str | None = None,
        message_id: str | None = None,
        rerun: bool = False,
        take_over: bool = False,
    ) -> RunResult:
        """Runs an agent until it ends or waits for approval.

        Args:
            starting_agent: The agent, or the name of one that a worker serves.
            input: A message, a list of input items, or a `RunState` whose decisions are to be committed. Of a run
                that has ended, the state goes on in a new one, whose id the result has.
            context: Handed to tools; its state travels as JSON, its resources stay with this object.
            max_turns: How often the model may be asked; `None` for no limit. A state has its own.
            hooks: Told what happens in the run.
            run_config: Settings for the whole run, as an object or a mapping of the same names.
            error_handlers: Functions that may turn an error into a final output, by kind of error.
            previous_response_id: The provider keeps the conversation up to this answer.
            auto_previous_response_id: Let the provider keep the conversation from this run's first answer on.
            conversation_id: The provider keeps the conversation under this id.
            session: What the run remembers of earlier ones and tells what is said; for an agent by name a
                `SQLiteSession`, a `SQLAlchemySession`, or the id of one that the worker's module makes.
            run_id: The run's id. A run that has it is attached to, if it is one of this agent and input.
            thread: The conversation that this is the next message of: it goes on from all that was said in it before,
                at the agent that spoke last. It lives in Temporal, and needs no session; see `docs/threads.md`.
            message_id: Names the message in its thread: sent again under the same name it is said once.
            rerun: If the run with this id has ended, start anew instead of returning how it ended.
            take_over: Serve the run although it cannot be known whether the process that started it is dead.

        Returns:
            The result; with `interruptions` if calls wait for approval.

        Raises:
            AgentsException: What the run ended in; a user's own exception is the same object in this process.
            RunConflictError: The id belongs to a run of another agent or with another input.
            DecisionConflictError: A call of the state was decided otherwise meanwhile.
        """
        wanted = Wanted(
            agent=starting_agent,
            given=[] if isinstance(input, RunState) else input,
            task_queue=NAMED_QUEUE,
            config=RunConfig.of(run_config),
            context=unwrapped(context),
            wrapper=wrapper_of(context),
            max_turns=max_turns,
            hooks=hooks,
            error_handlers=error_handlers,
            previous_response_id=previous_response_id,
            auto_previous_response_id=auto_previous_response_id,
            conversation_id=conversation_id,
            session=session,
            run_id=run_id, thread=thread, message_id=message_id,
            rerun=rerun,
            take_over=take_over,
        )  # fmt: skip
        run = await _resume(wanted, input) if isinstance(input, RunState) else await _start(wanted)
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
    def run_streamed(
        starting_agent: Agent[Any] | str,
        input: str | list[TResponseInputItem] | RunState[Any],
        **options: Unpack[RunOptions],
    ) -> RunResultStreaming:
        """`run` for programs that show what happens: returns at once, and the result has the run's events.

        The options are those of `run`. Models stream their answers, here or at a worker elsewhere. A run that is
        attached to by its `run_id` is told from its beginning; a state's run from where the state was made.

        Raises:
            RuntimeError: No loop runs in this thread.
        """
        given: dict[str, Any] = {"max_turns": DEFAULT_MAX_TURNS, **options}
        config, context = RunConfig.of(given.pop("run_config", None)), given.pop("context", None)
        state = input if isinstance(input, RunState) else None
        wanted = Wanted(
            starting_agent, [] if isinstance(input, RunState) else input, NAMED_QUEUE, config, unwrapped(context),
            wrapper_of(context), **given,
        )  # fmt: skip
        return run_streamed(wanted, state, _start if state is None else partial(_resume, state=state))

    @staticmethod
    async def start(
        starting_agent: Agent[Any] | str,
        input: str | list[TResponseInputItem],
        *,
        task_queue: str = NAMED_QUEUE,
        **options: Unpack[RunOptions],
    ) -> Run:
        """Starts a run, or attaches to the one that has its id, and returns at once.

        An `Agent` object is served by this process: its tools, callables and model objects run here, on the loop that
        this is called on. A name is served by a worker elsewhere, started with `perdure worker MODULE`.

        Args:
            starting_agent: See `run`.
            input: See `run`.
            task_queue: Where workers serve the agent by name.
            options: See `run`.
        """
        given: dict[str, Any] = {"max_turns": DEFAULT_MAX_TURNS, **options}
        config, context = RunConfig.of(given.pop("run_config", None)), given.pop("context", None)
        wanted = Wanted(starting_agent, input, task_queue, config, unwrapped(context), wrapper_of(context), **given)
        return await _start(wanted)

    @staticmethod
    async def get(run_id: str) -> Run:
        """The run with this id.

        Raises:
            RunNotFound: No run of this namespace has it.
        """
        if run_id.startswith(THREAD_PREFIX):
            return await Thread.find(run_id.removeprefix(THREAD_PREFIX))
        host = Host.current()
        return await Run.known(host, *await host.call(find_run(host, run_id)))

    @staticmethod
    async def thread(name: str) -> Thread:
        """The thread of this name, whose conversation `run` has begun.

        Raises:
            RunNotFound: No thread of this namespace has it.
        """
        return await Thread.find(name)

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


async def _start(wanted: Wanted) -> Run:
    host = Host.current()
    if wanted.thread is not None or wanted.message_id is not None:
        caller, found, receipt = await send_message(host, wanted)
        return await Run.known(host, caller, found, receipt.sequence)
    return await Run.known(host, *await launch(host, wanted))


async def _resume(wanted: Wanted, state: RunState[Any]) -> Run:
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
