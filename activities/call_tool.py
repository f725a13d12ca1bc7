"""One call of a tool: its hooks, its body, and its output as an item."""

from __future__ import annotations

import asyncio
from typing import Any

from perdure.context import ToolContext
from perdure.contracts.steps import CallToolOutput, ToolCall
from perdure.failpoints import reach
from perdure.hooks import call_hooks
from perdure.limits import TOOL_TIMEOUT_SECONDS
from perdure.tool import FunctionTool
from perdure.tool_call import invoke_function_tool

from .failing_calls import as_failed_call
from .ledger import Ledger
from .live_tools import LiveTools
from .once import OnceOnly
from .surroundings import Surroundings
from .told_steps import tool_failed
from .tool_outputs import tool_output

_INLINE_CHARACTERS = 10_000  # a text this short is stored faster than a thread is found for it


class CallTool:
    """Calls the function tools that this worker has."""

    def __init__(self, around: Surroundings, tools: LiveTools, ledger: Ledger) -> None:
        self._around = around
        self._tools = tools
        self._once = OnceOnly(around, ledger)

    async def call_tool(self, call: ToolCall) -> CallToolOutput:
        """Runs the call; what the tool's code raises is an outcome, only a lost attempt is repeated."""
        tool = self._tools.tool(self._around.run_id, call)
        arguments = await self._tools.arguments(call)
        context = self._around.tool_context(call, call, arguments)
        if tool.resolved_effect == "repeatable":
            return await self._run(call, tool, context)
        return await self._once.run(call, tool, context, lambda: self._run(call, tool, context))

    async def _run(self, call: ToolCall, tool: FunctionTool, context: ToolContext[Any]) -> CallToolOutput:
        run_hooks = self._around.run_hooks(call)
        try:
            result = await self._around.on_user_loop(lambda: _invoke(call, tool, context, run_hooks))
        finally:
            tool_failed(context.raised)
        if isinstance(result, str) and len(result) < _INLINE_CHARACTERS:
            return tool_output(call, context, result, self._around.blobs)
        return await asyncio.to_thread(tool_output, call, context, result, self._around.blobs)


async def _invoke(call: ToolCall, tool: FunctionTool, context: ToolContext[Any], run_hooks: Any | None) -> Any:
    agent = context.agent
    agent_hooks = agent.hooks if agent is not None else None
    with as_failed_call(tool.name):
        await call_hooks("on_tool_start", run_hooks, agent_hooks, context, agent, tool)
    reach("effect begins")
    result = await invoke_function_tool(
        tool, context, context.tool_arguments, default_timeout_seconds=TOOL_TIMEOUT_SECONDS
    )
    reach("effect ended")
    if call.end_hook:
        with as_failed_call(tool.name):
            await call_hooks("on_tool_end", run_hooks, agent_hooks, context, agent, tool, result)
    return result
