"""The live agents of a process: what a worker's activities call when they need the user's code.

A run that this process started is served by the very objects it was started with, on the loop of its caller; a run
that names its agent is served by the agents of the worker's module, on the worker's user loop.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from perdure.agent import Agent
from perdure.errors import PerdureError, UserError
from perdure.lending import GuardrailPlace, Loans
from perdure.portable_context import open_context
from perdure.settings import RunConfig
from perdure.snapshot import Member, free_key, key_of, members
from perdure.tool import FunctionTool
from perdure.usage import Usage

_T = TypeVar("_T")

_LOOK_SECONDS = 1.0  # between two looks whether the loop still runs
_NO_LOOP = "The loop that this run's code belongs to does not run; the step is offered again."


class AgentNotServed(PerdureError):
    """This worker does not have the agent or tool; another one may."""


class UserLoopEnded(PerdureError):
    """The loop that user code runs on ended in the middle of a call."""


class ServedAgents(Loans):
    """Live agents by run and by name."""

    def __init__(self) -> None:
        super().__init__()
        self._by_name: dict[str, Agent[Any]] = {}
        self._members_by_name: dict[str, dict[str, Member]] = {}
        self._plain_config = RunConfig()
        self._user_loop: asyncio.AbstractEventLoop | None = None
        self._context_factory: Callable[[dict[str, Any] | None], Any] | None = None
        self.session_factory: Callable[[str], Any] | None = None  # of a module that is served
        self.sessions: dict[str, Any] = {}  # that were opened here

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
        self._members_by_name.clear()

    def member(self, run_id: str, root: str, key: str) -> Member:
        """One of a run's live agents, with the configuration that it runs under.

        Args:
            run_id: The run.
            root: The name of the agent that the run was started with.
            key: The agent's key in the run's snapshot.

        Raises:
            AgentNotServed: This worker does not have it.
        """
        known = self._members(run_id, root)
        if key not in known:
            raise AgentNotServed(f"Agent {root!r} of this worker does not lead to {key!r}; deploy one that does.")
        return known[key]

    def agent(self, run_id: str, root: str, key: str) -> Agent[Any]:
        """One of a run's live agents; see `member`."""
        return self.member(run_id, root, key).agent

    def members(self, run_id: str, root: str) -> dict[str, Member]:
        """All live agents of a run, by key, as far as this worker has them.

        Raises:
            AgentNotServed: This worker does not have the first of them.
        """
        return dict(self._members(run_id, root))

    def add_member(self, run_id: str, root: str, agent: Agent[Any], config: RunConfig) -> str:
        """Makes an agent that a handoff's function came up with, and what it leads to, members of a run.

        Returns:
            Its key.
        """
        known = self._members(run_id, root)
        for name, member in members(agent, config).items():
            if key_of(member.agent, config, known) is None:
                known[free_key(name, known)] = member
        return key_of(agent, config, known) or agent.name

    def _members(self, run_id: str, root: str) -> dict[str, Member]:
        lent = self.lent(run_id)
        if lent is not None and lent.agent.name == root:
            if not lent.members:
                lent.members = members(lent.agent, lent.config)
            return lent.members
        if root not in self._members_by_name:
            found = self._by_name.get(root)
            if found is None:
                served = ", ".join(sorted(self._by_name)) or "none by name"
                raise AgentNotServed(
                    f"This worker has no agent {root!r} (it serves: {served}). Start one whose module defines it: "
                    f"`perdure worker MODULE`."
                )
            self._members_by_name[root] = members(found, self._plain_config)
        return self._members_by_name[root]

    def tool(self, run_id: str, root: str, key: str, tool_name: str) -> FunctionTool:
        """The live function tool of one of a run's agents.

        Raises:
            AgentNotServed: This worker does not have it.
        """
        agent = self.agent(run_id, root, key)
        for tool in reversed(agent.tools):
            if isinstance(tool, FunctionTool) and tool.name == tool_name and tool.is_enabled is not False:
                return tool
        raise AgentNotServed(f"Agent {key!r} of this worker has no tool {tool_name!r}; deploy one that has it.")

    def run_hooks(self, run_id: str, root: str, opened_by: tuple[str, str] | None) -> Any | None:
        """The hooks of a run, or of an agent that runs as a tool: those that the tool was given."""
        if opened_by is None:
            lent = self.lent(run_id)
            return lent.hooks if lent is not None else None
        opener = self.tool(run_id, root, *opened_by).agent_tool
        return opener.hooks if opener is not None else None

    def error_handler(self, run_id: str, kind: str) -> Any:
        """The function that may turn an error of this kind into a final output.

        Raises:
            AgentNotServed: This worker does not have it.
        """
        lent = self.lent(run_id)
        handler = lent.error_handlers.get(kind) if lent is not None else None
        if handler is None:
            raise AgentNotServed(f"This worker has no error handler for {kind!r} of run {run_id!r}.")
        return handler

    def context(self, run_id: str, state: dict[str, Any] | None) -> Any:
        """The run's context with this state and the resources of its caller or worker."""
        lent = self.lent(run_id)
        if lent is not None:
            return open_context(lent.context, state)
        own = copy.deepcopy(state)  # what tools change is told by comparing with the state that came
        return self._context_factory(own) if self._context_factory is not None else own

    def usage(self, run_id: str, used: Usage) -> Usage:
        """The usage that user code is shown: the run's, after what its context's wrapper had counted before."""
        lent = self.lent(run_id)
        if lent is None or lent.wrapper is None:
            return used
        shown = copy.deepcopy(lent.used_before)
        shown.add(used)
        return shown

    def note_info(self, run_id: str, place: GuardrailPlace, info: Any, told: Any) -> None:
        """Keeps what a guardrail said for the caller in this process, who gets the same object."""
        lent = self.lent(run_id)
        if lent is not None:
            lent.infos[place] = (info, told)

    def note_error(self, run_id: str, error: BaseException) -> int | None:
        """Keeps a user's own exception for the caller in this process, who gets the same object."""
        lent = self.lent(run_id)
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
        lent = self.lent(run_id)
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
