"""One event of a run, told to the hooks of the run and of the agent."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias, cast

from perdure.context import RunContextWrapper
from perdure.contracts.steps import HookInput, HookOutput, ToolCall
from perdure.errors import UserError
from perdure.hooks import HookEvent, call_hooks

from .failing_calls import as_failed_call
from .live_tools import LiveTools
from .outputs import read_final, read_output
from .surroundings import Surroundings, context_changes

_Told: TypeAlias = tuple[RunContextWrapper[Any], list[Any]]  # what a hook is handed: the context, and the rest


class RunHook:
    """Tells the hooks that this worker has."""

    def __init__(self, around: Surroundings, tools: LiveTools) -> None:
        self._around = around
        self._tools = tools
        self._by_event: dict[str, Callable[[HookInput], Awaitable[_Told]]] = {
            "on_agent_start": self._agent,
            "on_agent_end": self._agent,
            "on_handoff": self._handoff,
            "on_tool_start": self._tool,
            "on_tool_end": self._tool,
        }

    async def run_hook(self, told: HookInput) -> HookOutput:
        """Tells the event; what a hook raises ends the run."""
        if told.event not in self._by_event:
            raise UserError(f"No event {told.event!r} is told by a step of its own.")
        context, arguments = await self._by_event[told.event](told)
        run_hooks, agent = self._around.run_hooks(told), self._around.member(told).agent
        event = cast("HookEvent", told.event)

        async def tell() -> None:
            if event.endswith("_end"):
                read = read_final if event == "on_agent_end" else read_output
                arguments.append(await read(told.output, agent, self._around.blobs))
            with _failing_as_call(told):
                await call_hooks(event, run_hooks, agent.hooks, context, *arguments)

        await self._around.on_user_loop(tell)
        return HookOutput(**context_changes(told, context))

    async def _agent(self, told: HookInput) -> _Told:
        items: list[dict[str, Any]] = []
        if told.cursor is not None:
            items = [json.loads(item) for item in await self._around.conversation(told, told.cursor, told.items)]
        return self._around.agent_context(told, items), [self._around.member(told).agent]

    async def _handoff(self, told: HookInput) -> _Told:
        other = self._around.served.agent(self._around.run_id, told.root, told.other)
        return self._around.context(told), [self._around.member(told).agent, other]

    async def _tool(self, told: HookInput) -> _Told:
        call = _call(told)
        tool = self._tools.tool(self._around.run_id, call)
        context = self._around.tool_context(told, call, await self._tools.arguments(call))
        return context, [self._around.member(call).agent, tool]


def _call(told: HookInput) -> ToolCall:
    if told.call is None:
        raise UserError(f"The event {told.event!r} was told of no call.")
    return told.call


def _failing_as_call(told: HookInput) -> AbstractContextManager[None]:
    return nullcontext() if told.call is None else as_failed_call(told.call.tool)
