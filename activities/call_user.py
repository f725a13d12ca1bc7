"""One call of a function of the user, by its role."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from perdure.contracts.steps import CallUserInput, CallUserOutput
from perdure.roles import Role

from .agents_as_tools import AgentsAsTools
from .handing_off import HandingOff
from .handling_errors import HandlingErrors
from .judging_calls import JudgingCalls
from .live_tools import LiveTools
from .surroundings import Surroundings
from .transcripts import Transcripts

AskUser: TypeAlias = Callable[[CallUserInput], Awaitable[CallUserOutput]]


class CallUser:
    """Calls the functions of the user that this worker has."""

    def __init__(self, around: Surroundings, tools: LiveTools, transcripts: Transcripts) -> None:
        calls = JudgingCalls(around, tools)
        nested = AgentsAsTools(around, tools, transcripts)
        handoffs = HandingOff(around, tools, transcripts)
        self._by_role: dict[Role, AskUser] = {
            "needs_approval": calls.needs_approval,
            "tool_error_formatter": calls.tool_error_formatter,
            "tool_use_behavior": calls.tool_use_behavior,
            "input_builder": nested.input_builder,
            "failure_error_function": nested.failure_error_function,
            "custom_output_extractor": nested.custom_output_extractor,
            "on_handoff": handoffs.on_handoff,
            "handoff_input_filter": handoffs.handoff_input_filter,
            "error_handler": HandlingErrors(around, transcripts).error_handler,
        }

    async def call_user(self, asked: CallUserInput) -> CallUserOutput:
        """What the function says; what it raises ends the run."""
        return await self._by_role[asked.role](asked)
