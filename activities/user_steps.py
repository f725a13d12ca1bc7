"""The steps that run user code, by what their activity's type begins with: Temporal allows one dynamic activity."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from perdure.contracts.steps import (
    CALL_TOOL,
    CALL_USER,
    CHECK_GUARDRAIL,
    RUN_HOOK,
    CallUserInput,
    GuardrailInput,
    HookInput,
    ToolCall,
)

from .attempts import heartbeats, told
from .call_tool import CallTool
from .call_user import CallUser
from .check_guardrail import CheckGuardrail
from .live_tools import LiveTools
from .run_hook import RunHook
from .surroundings import Surroundings
from .transcripts import Transcripts


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of steps: what it is told, and what does it."""

    input: type[Any]
    do: Callable[[Any], Awaitable[Any]]


class UserSteps:
    """Does the steps `tool.<name>`, `guardrail.<name>`, `hook.<event>` and `call.<role>`."""

    def __init__(self, around: Surroundings, transcripts: Transcripts) -> None:
        tools = LiveTools(around.served, around.blobs)
        self._served = around.served
        self._kinds = {
            CALL_TOOL: _Kind(ToolCall, CallTool(around, tools).call_tool),
            CHECK_GUARDRAIL: _Kind(GuardrailInput, CheckGuardrail(around, tools).check_guardrail),
            RUN_HOOK: _Kind(HookInput, RunHook(around, tools).run_hook),
            CALL_USER: _Kind(CallUserInput, CallUser(around, tools, transcripts).call_user),
        }

    @activity.defn(dynamic=True)
    async def do(self, args: Sequence[RawValue]) -> Any:
        """Does one step; what the user's code raises is told to the run, a lost attempt is made again."""
        name = activity.info().activity_type
        kind = next((kind for prefix, kind in self._kinds.items() if name.startswith(prefix)), None)
        if kind is None or len(args) != 1:
            raise ApplicationError(f"No activity {name!r} is known.", type="UserError", non_retryable=True)
        step = activity.payload_converter().from_payload(args[0].payload, kind.input)
        async with heartbeats():
            with told(self._served):
                return await kind.do(step)
