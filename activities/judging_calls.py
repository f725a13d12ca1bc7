"""Functions of the user about tool calls: does one wait, how is its error told, does its output end the run?"""

from __future__ import annotations

import inspect
import json
from typing import Any, cast

from perdure.blobs import unblocked
from perdure.contracts.steps import CallUserInput, CallUserOutput, ChosenOutput, FunctionResult, ToolCall
from perdure.errors import UserError
from perdure.item_json import output_value
from perdure.items import ToolCallOutputItem
from perdure.served import AgentNotServed
from perdure.snapshot import Member
from perdure.tool import ApprovalRule
from perdure.tool_errors import ToolErrorFormatterArgs, formatted
from perdure.tool_use import FunctionToolResult, ToolsToFinalOutputFunction, ToolsToFinalOutputResult, ask_tool_use

from .failing_calls import as_failed_call
from .live_tools import LiveTools
from .outputs import final_output, loaded, whole
from .surroundings import Surroundings, context_changes


def tool_use_function(member: Member) -> ToolsToFinalOutputFunction:
    """The function that says what follows a tool call.

    Raises:
        AgentNotServed: The agent has none on this worker.
    """
    function = member.agent.tool_use_behavior
    if not callable(function):
        raise AgentNotServed(f"The tool_use_behavior of agent {member.agent.name!r} is no function on this worker.")
    return cast("ToolsToFinalOutputFunction", function)


class JudgingCalls:
    """Asks about tool calls."""

    def __init__(self, around: Surroundings, tools: LiveTools) -> None:
        self._around = around
        self._tools = tools

    async def needs_approval(self, asked: CallUserInput) -> CallUserOutput:
        """Whether a call waits; it does where its arguments cannot be read, and the rule is not asked."""
        call = call_of(asked)
        tool = self._tools.tool(self._around.run_id, call)
        arguments = await self._tools.arguments(call)
        parsed = _parsed(arguments)
        if parsed is None:
            return CallUserOutput(needs_approval=True)
        context = self._around.tool_context(asked, call, arguments)
        rule = cast("ApprovalRule", tool.needs_approval)

        async def ask() -> bool:
            with as_failed_call(tool.name):
                said = rule(context, parsed, call.model_call_id)
                return bool(await said if inspect.isawaitable(said) else said)

        needs = await self._around.on_user_loop(ask)
        return CallUserOutput(needs_approval=needs, **context_changes(asked, context))

    async def tool_error_formatter(self, asked: CallUserInput) -> CallUserOutput:
        """What the model is told of a call that was rejected or is unknown; no text: what it is told by default."""
        formatter = self._around.member(asked).config.tool_error_formatter
        if formatter is None:
            raise AgentNotServed("The run's configuration on this worker has no tool_error_formatter.")
        call, context = call_of(asked), self._around.context(asked)
        arguments = ToolErrorFormatterArgs(
            kind=cast("Any", asked.error_kind),
            tool_type="function",
            tool_name=call.tool,
            call_id=call.model_call_id,
            default_message=asked.error,
            run_context=context,
        )

        text = await self._around.on_user_loop(lambda: formatted(formatter, arguments, self._around.run_id))
        return CallUserOutput(text=text, **context_changes(asked, context))

    async def tool_use_behavior(self, asked: CallUserInput) -> CallUserOutput:
        """Whether the turn's function results end the run, and with which output."""
        member, context = self._around.member(asked), self._around.context(asked)
        function = tool_use_function(member)
        results = [await self._result(asked, member, each) for each in asked.results]

        async def ask() -> ToolsToFinalOutputResult:
            return await ask_tool_use(function, context, results)

        said = await self._around.on_user_loop(ask)
        chosen = ChosenOutput()
        if said.is_final_output:
            blobs = self._around.blobs
            output = await unblocked(blobs, final_output, said.final_output, member.agent, blobs)
            chosen = ChosenOutput(is_final=True, output=output)
        return CallUserOutput(chosen=chosen, **context_changes(asked, context))

    async def _result(self, asked: CallUserInput, member: Member, each: FunctionResult) -> FunctionToolResult:
        tool = self._around.served.tool(self._around.run_id, asked.root, asked.agent, each.tool)
        item = await loaded(each.item, self._around.blobs)
        output = output_value((await whole(each.item, self._around.blobs))["output"], is_value=each.is_value)
        return FunctionToolResult(tool, output, ToolCallOutputItem(member.agent, item, output))


def call_of(asked: CallUserInput) -> ToolCall:
    """The call that a function of the user is asked about."""
    if asked.call is None:
        raise UserError(f"The function {asked.role} was asked about no call.")
    return asked.call


def _parsed(arguments: str) -> dict[str, Any] | None:
    """The arguments as an object of finite numbers, or `None` if they are not one."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        value = json.loads(arguments, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
