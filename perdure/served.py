"""The live agents of a process: what a worker's activities call when they need the user's code.

A run that this process started is served by the very objects it was started with, on the loop of its caller; a run
that names its agent is served by the agents of the worker's module, on the worker's user loop.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from perdure.agent import Agent
from perdure.errors import PerdureError, UserError
from perdure.portable_context import open_context
from perdure.settings import RunConfig
from perdure.tool import FunctionTool

_T = TypeVar("_T")

_LOOK_SECONDS = 1.0  # between two looks whether the loop still runs
_NO_LOOP = "The loop that this run's code belongs to does not run; the step is offered again."


class AgentNotServed(PerdureError):
    """This worker does not have the agent or tool; another one may."""


class UserLoopEnded(PerdureError):
    """The loop that user code runs on ended in the middle of a call."""


@dataclass
class Lent:
    """What a caller lends to its own run: its objects and its loop."""

    agent: Agent[Any]
    config: RunConfig
    context: Any
    loop: asyncio.AbstractEventLoop
    errors: list[BaseException] = field(default_factory=list[BaseException])


class ServedAgents:
    """Live agents by run and by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Agent[Any]] = {}
        self._by_run: dict[str, Lent] = {}
        self._user_loop: asyncio.AbstractEventLoop | None = None
        self._context_factory: Callable[[dict[str, Any] | None], Any] | None = None

    def serve(
        self,
        agents: list[Agent[Any]],
        user_loop: asyncio.AbstractEventLoop,
        context_factory: Callable[[dict[str, Any] | None], Any] | None = None,
    ) -> None:
        """Serves agents by name, their code on this loop.

        Args:
            agents: Their names must differ.
            user_loop: Where async tools and callables run.
            context_factory: Makes a run's context, with its resources, from its state.

        Raises:
            UserError: Two agents have one name, so a run could not tell which it means.
        """
        for agent in agents:
            if self._by_name.setdefault(agent.name, agent) is not agent:
                raise UserError(f"Two agents are named {agent.name!r}; served by name, each needs one of its own.")
        self._user_loop, self._context_factory = user_loop, context_factory

    def lend(self, run_id: str, lent: Lent) -> None:
        """Serves one run with its caller's objects."""
        self._by_run[run_id] = lent

    def lend_back(self, run_id: str, earlier: Lent | None) -> None:
        """Serves a run as it was served before, or not at all."""
        if earlier is None:
            self._by_run.pop(run_id, None)
        else:
            self._by_run[run_id] = earlier

    def lent(self, run_id: str) -> Lent | None:
        """What was lent to a run."""
        return self._by_run.get(run_id)

    def take_back(self, run_id: str) -> None:
        """Ends the loan, when the run has ended."""
        self._by_run.pop(run_id, None)

    def agent(self, run_id: str, name: str) -> Agent[Any]:
        """The live agent of a run.

        Raises:
            AgentNotServed: This worker does not have it.
        """
        lent = self._by_run.get(run_id)
        found = lent.agent if lent is not None and lent.agent.name == name else self._by_name.get(name)
        if found is None:
            served = ", ".join(sorted(self._by_name)) or "none by name"
            raise AgentNotServed(
                f"This worker has no agent {name!r} (it serves: {served}). Start one whose module defines it: "
                f"`perdure worker MODULE`."
            )
        return found

    def tool(self, run_id: str, agent_name: str, tool_name: str) -> FunctionTool:
        """The live function tool of a run's agent.

        Raises:
            AgentNotServed: This worker does not have it.
        """
        agent = self.agent(run_id, agent_name)
        for tool in reversed(agent.tools):
            if isinstance(tool, FunctionTool) and tool.name == tool_name and tool.is_enabled is not False:
                return tool
        raise AgentNotServed(f"Agent {agent_name!r} of this worker has no tool {tool_name!r}; deploy one that has it.")

    def config(self, run_id: str) -> RunConfig:
        """The run's configuration, as far as this process knows it."""
        lent = self._by_run.get(run_id)
        return lent.config if lent is not None else RunConfig()

    def context(self, run_id: str, state: dict[str, Any] | None) -> Any:
        """The run's context with this state and the resources of its caller or worker."""
        lent = self._by_run.get(run_id)
        if lent is not None:
            return open_context(lent.context, state)
        own = copy.deepcopy(state)  # what tools change is told by comparing with the state that came
        return self._context_factory(own) if self._context_factory is not None else own

    def note_error(self, run_id: str, error: BaseException) -> int | None:
        """Keeps a user's own exception for the caller in this process, who gets the same object."""
        lent = self._by_run.get(run_id)
        if lent is None:
            return None
        lent.errors.append(error)
        return len(lent.errors) - 1

    async def on_user_loop(self, run_id: str, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Runs user code on the loop it belongs to and waits for it from the worker's loop.

        Raises:
            AgentNotServed: The loop does not run, and the code has not begun.
            UserLoopEnded: The loop ended before the code did.
        """
        lent = self._by_run.get(run_id)
        loop = lent.loop if lent is not None else self._user_loop
        if loop is None or not loop.is_running():
            raise AgentNotServed(_NO_LOOP)
        return await _run_on(loop, work)


async def _run_on(loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Runs work on another loop; work that has not begun when that loop stops, or the wait is cancelled, never does."""
    claim = threading.Lock()  # whoever takes it first decides whether the work begins: the loop, or who waits

    async def begin() -> _T:
        if not claim.acquire(blocking=False):
            raise asyncio.CancelledError
        return await work()

    running = asyncio.run_coroutine_threadsafe(begin(), loop)
    waiting = asyncio.wrap_future(running)
    try:
        while not (await asyncio.wait([waiting], timeout=_LOOK_SECONDS))[0]:
            if not loop.is_running() and claim.acquire(blocking=False):
                running.cancel()
                raise AgentNotServed(_NO_LOOP)
    except asyncio.CancelledError:
        claim.acquire(blocking=False)
        running.cancel()
        raise
    if not waiting.cancelled():
        return waiting.result()
    if claim.acquire(blocking=False):
        raise AgentNotServed(_NO_LOOP)
    raise UserLoopEnded("The loop that this run's code belongs to ended while the code ran.")
