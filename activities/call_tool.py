"""One call of a tool: its hooks, its body, and its output as an item."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import activity

from perdure.blobs import store_item
from perdure.context import ToolContext
from perdure.contracts.steps import CallToolOutput, ToolCall
from perdure.hooks import call_hooks
from perdure.limits import TOOL_TIMEOUT_SECONDS
from perdure.served import UserLoopEnded
from perdure.tool import FunctionTool
from perdure.tool_call import invoke_function_tool

from .failing_calls import as_failed_call
from .live_tools import LiveTools
from .surroundings import Surroundings, context_changes
from .tool_outputs import as_output, is_object

_INLINE_CHARACTERS = 10_000  # a text this short is stored faster than a thread is found for it


class CallTool:
    """Calls the function tools that this worker has."""

    def __init__(self, around: Surroundings, tools: LiveTools) -> None:
        self._around = around
        self._tools = tools

    async def call_tool(self, call: ToolCall) -> CallToolOutput:
        """Runs the call; what the tool's code raises is an outcome, only a lost attempt is repeated."""
        tool = self._tools.tool(self._around.run_id, call)
        _refuse_repetition(tool, activity.info().attempt)
        arguments = await self._tools.arguments(call)
        context = self._around.tool_context(call, call, arguments)
        run_hooks = self._around.run_hooks(call)
        result = await self._around.on_user_loop(lambda: _invoke(call, tool, context, run_hooks))
        if isinstance(result, str) and len(result) < _INLINE_CHARACTERS:
            return self._output(call, tool, context, result)
        return await asyncio.to_thread(self._output, call, tool, context, result)

    def _output(self, call: ToolCall, tool: FunctionTool, context: ToolContext[Any], result: Any) -> CallToolOutput:
        output, is_value = as_output(result, call.output_format)
        item = {"call_id": call.model_call_id, "output": output, "type": "function_call_output"}
        extras = context_changes(call, context)
        if is_value:
            extras["is_value"] = True
            if is_object(result, context.agent, output):
                extras["is_object"] = True
        return CallToolOutput(item=store_item(item, self._around.blobs), **extras)


async def _invoke(call: ToolCall, tool: FunctionTool, context: ToolContext[Any], run_hooks: Any | None) -> Any:
    agent = context.agent
    agent_hooks = agent.hooks if agent is not None else None
    with as_failed_call(tool.name):
        await call_hooks("on_tool_start", run_hooks, agent_hooks, context, agent, tool)
    result = await invoke_function_tool(
        tool, context, context.tool_arguments, default_timeout_seconds=TOOL_TIMEOUT_SECONDS
    )
    if call.end_hook:
        with as_failed_call(tool.name):
            await call_hooks("on_tool_end", run_hooks, agent_hooks, context, agent, tool, result)
    return result


def _refuse_repetition(tool: FunctionTool, attempt: int) -> None:
    """Temporal makes one attempt of a call that must not be repeated; an operator's `unpause` makes another."""
    if tool.resolved_effect == "once" and attempt > 1:
        raise UserLoopEnded("An earlier attempt of this call was begun; it is not repeated.")
