"""Functions of the user that turn an error which would end the run into its final output."""

from __future__ import annotations

from typing import Any, Literal

from perdure.agent import Agent
from perdure.agent_output import dump_output, output_schema_of, validate_python
from perdure.contracts.steps import CallUserInput, CallUserOutput, HandledError, Output, TranscriptName
from perdure.error_handlers import RunErrorData, RunErrorHandlerInput, RunErrorHandlerResult, ask_error_handler
from perdure.errors import MaxTurnsExceeded, ModelBehaviorError, ModelRefusalError
from perdure.item_json import input_items

from .agents_as_tools import refusal
from .outputs import text_output
from .surroundings import Surroundings, context_changes
from .transcripts import Transcripts


class HandlingErrors:
    """Asks error handlers."""

    def __init__(self, around: Surroundings, transcripts: Transcripts) -> None:
        self._around = around
        self._transcripts = transcripts

    async def error_handler(self, asked: CallUserInput) -> CallUserOutput:
        """The final output that the handler makes of an error; none if it declines."""
        handler = self._around.served.error_handler(self._around.run_id, asked.error_kind)
        context, agent = self._around.context(asked), self._around.member(asked).agent
        about = RunErrorHandlerInput(_error(asked), context, await self._run_data(asked, agent))

        async def ask() -> tuple[RunErrorHandlerResult | None, str, Literal["text", "typed"]]:
            said = await ask_error_handler(handler, about)
            if said is None:
                return None, "", "text"
            schema = output_schema_of(agent.output_type)
            if schema is None:
                return said, str(said.final_output), "text"
            return said, dump_output(schema, validate_python(schema, said.final_output)), "typed"

        said, text, kind = await self._around.on_user_loop(ask)
        handled = HandledError()
        if said is not None:
            output: Output = text_output(text, self._around.blobs, kind)
            handled = HandledError(output=output, include_in_history=said.include_in_history)
        return CallUserOutput(handled=handled, **context_changes(asked, context))

    async def _run_data(self, asked: CallUserInput, agent: Agent[Any]) -> RunErrorData:
        transcript = await self._transcripts.read(asked.transcript or TranscriptName(path=asked.path))
        new_items = transcript.run_items(self._around.served.members(self._around.run_id, asked.root))
        given = transcript.input(is_text=asked.input_is_text)
        output = [item.to_input_item() for item in new_items]
        return RunErrorData(
            input=given,
            new_items=new_items,
            history=input_items(given) + output,
            output=output,
            raw_responses=transcript.responses(),
            last_agent=agent,
        )


def _error(asked: CallUserInput) -> MaxTurnsExceeded | ModelRefusalError | ModelBehaviorError:
    if asked.error_kind == "max_turns":
        return MaxTurnsExceeded(asked.error)
    if asked.error_kind == "model_refusal":
        return refusal(asked.error)
    return ModelBehaviorError(asked.error)
