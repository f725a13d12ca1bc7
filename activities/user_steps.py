"""The steps that run user code, by what their activity's type begins with: Temporal allows one dynamic activity."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from perdure.contracts.sessions import READ_SESSION, WRITE_SESSION, ReadSessionInput, WriteSessionInput
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
from perdure.failpoints import reach
from perdure.served import UserLoopEnded

from . import told_steps
from .attempts import as_result, declined, heartbeats, told
from .call_tool import CallTool
from .call_user import CallUser
from .check_guardrail import CheckGuardrail
from .ledger import Ledger
from .live_tools import LiveTools
from .run_hook import RunHook
from .sessions import Sessions
from .surroundings import Surroundings
from .transcripts import Transcripts


@activity.defn(dynamic=True)
async def decline(args: Sequence[RawValue]) -> Any:
    """What a worker that takes no steps says to a local one; the run offers it to the others."""
    raise declined(UserLoopEnded("No loop of user code runs in this process; another worker takes the step."))


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of steps: what it is told, what does it, and what its errors mean if they do not just end the run."""

    input: type[Any]
    do: Callable[[Any], Awaitable[Any]]
    judge: Callable[[BaseException], ApplicationError] | None = None


class UserSteps:
    """Does the steps `tool.<name>`, `guardrail.<name>`, `hook.<event>`, `call.<role>` and `session.<read or write>`."""

    def __init__(self, around: Surroundings, tools: LiveTools, transcripts: Transcripts, ledger: Ledger) -> None:
        self._served = around.served
        sessions = Sessions(around)
        self._kinds = {
            CALL_TOOL: _Kind(ToolCall, CallTool(around, tools, ledger).call_tool),
            CHECK_GUARDRAIL: _Kind(GuardrailInput, CheckGuardrail(around, tools).check_guardrail),
            RUN_HOOK: _Kind(HookInput, RunHook(around, tools).run_hook),
            CALL_USER: _Kind(CallUserInput, CallUser(around, tools, transcripts).call_user),
            READ_SESSION: _Kind(ReadSessionInput, sessions.read, sessions.judge),
            WRITE_SESSION: _Kind(WriteSessionInput, sessions.write, sessions.judge),
        }

    @activity.defn(dynamic=True)
    async def do(self, args: Sequence[RawValue]) -> Any:
        """Does one step; what the user's code raises is told to the run, a lost attempt is made again."""
        name = activity.info().activity_type
        word = name.partition(".")[0]
        kind = next((kind for prefix, kind in self._kinds.items() if name.startswith(prefix)), None)
        if kind is None or len(args) != 1:
            raise ApplicationError(f"No activity {name!r} is known.", type="UserError", non_retryable=True)
        step = activity.payload_converter().from_payload(args[0].payload, kind.input)
        self._served.turn_to(activity.info().workflow_id or "", step.message_id)
        reach(f"{word} begins")
        told_steps.began(step)
        async with heartbeats():
            with told(self._served, kind.judge):
                said = await kind.do(step)
                told_steps.ended(said)
                output = as_result(said)
        reach(f"{word} ended")
        return output
