"""One question to a tool's approval rule: does this call wait for a decision?"""

from __future__ import annotations

import inspect
import json
from typing import Any, cast

from temporalio import activity

from perdure.contracts.steps import JUDGE_CALL, JudgeCallOutput, ToolCall
from perdure.served import ServedAgents
from perdure.tool import ApprovalRule

from .attempts import heartbeats, told
from .call_tool import CallTool


class JudgeCall:
    """Asks approval rules."""

    def __init__(self, served: ServedAgents, calls: CallTool) -> None:
        self._served = served
        self._calls = calls

    @activity.defn(name=JUDGE_CALL)
    async def judge_call(self, call: ToolCall) -> JudgeCallOutput:
        """Whether the call needs approval; it does where its arguments cannot be read, and the rule is not asked."""
        async with heartbeats():
            with told(self._served):
                tool = self._calls.tool(call)
                arguments = await self._calls.arguments(call)
                parsed = _parsed(arguments)
                if parsed is None:
                    return JudgeCallOutput(needs_approval=True)
                context = self._calls.context(call, arguments)
                rule = cast("ApprovalRule", tool.needs_approval)

                async def ask() -> bool:
                    said = rule(context, parsed, call.model_call_id)
                    return bool(await said if inspect.isawaitable(said) else said)

                needs = await self._served.on_user_loop(activity.info().workflow_id or "", ask)
                return JudgeCallOutput(needs_approval=needs)


def _parsed(arguments: str) -> dict[str, Any] | None:
    """The arguments as an object of finite numbers, or `None` if they are not one."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        value = json.loads(arguments, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
