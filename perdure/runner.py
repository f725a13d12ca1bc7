"""Runner: starts runs, finds them again, and waits for them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict, Unpack

from perdure.agent import Agent
from perdure.client.queues import NAMED_QUEUE
from perdure.client.thread_loop import run_in_thread_loop
from perdure.error_handlers import RunErrorHandlers
from perdure.hooks import RunHooks
from perdure.items import TResponseInputItem
from perdure.result import RunResult
from perdure.result_streaming import RunResultStreaming
from perdure.run_summary import RunSummary
from perdure.session import Session
from perdure.settings import DEFAULT_MAX_TURNS, RunConfig
from perdure.state import RunState

if TYPE_CHECKING:
    from perdure.run import Run
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
        from perdure.running import begin, go_on, want

        options = RunOptions(
            context=context,
            max_turns=max_turns,
            hooks=hooks,
            run_config=run_config,
            error_handlers=error_handlers,
            previous_response_id=previous_response_id,
            auto_previous_response_id=auto_previous_response_id,
            conversation_id=conversation_id,
            session=session,
            run_id=run_id, thread=thread, message_id=message_id,
            rerun=rerun,
            take_over=take_over,
        )  # fmt: skip
        wanted = want(starting_agent, [] if isinstance(input, RunState) else input, NAMED_QUEUE, options)
        run = await (go_on(wanted, input) if isinstance(input, RunState) else begin(wanted))
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
        from perdure.running import begin, go_on, want
        from perdure.streamed import run_streamed

        if isinstance(input, RunState):
            return run_streamed(want(starting_agent, [], NAMED_QUEUE, options), input, partial(go_on, state=input))
        return run_streamed(want(starting_agent, input, NAMED_QUEUE, options), None, begin)

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
        from perdure.running import begin, want

        return await begin(want(starting_agent, input, task_queue, options))

    @staticmethod
    async def get(run_id: str) -> Run:
        """The run with this id.

        Raises:
            RunNotFound: No run of this namespace has it.
        """
        from perdure.running import find

        return await find(run_id)

    @staticmethod
    async def thread(name: str) -> Thread:
        """The thread of this name, whose conversation `run` has begun.

        Raises:
            RunNotFound: No thread of this namespace has it.
        """
        from perdure.thread import Thread

        return await Thread.find(name)

    @staticmethod
    async def list(query: str | None = None, *, limit: int = 100) -> list[RunSummary]:
        """The latest runs, newest first.

        Args:
            query: A further condition in Temporal's list filter language, such as `ExecutionStatus = "Running"`.
            limit: How many at most.
        """
        from perdure.running import latest

        return await latest(query, limit)
