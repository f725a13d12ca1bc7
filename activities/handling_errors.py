"""Functions of the user that turn an error which would end the run into its final output."""

from __future__ import annotations

from typing import Any

from perdure.agent import Agent
from perdure.agent_output import dump_output, output_schema_of, validate_python
from perdure.blobs import store_item, unblocked
from perdure.contracts.steps import CallUserInput, CallUserOutput, HandledError, TranscriptName
from perdure.error_handlers import RunErrorData, RunErrorHandlerInput, RunErrorHandlerResult, ask_error_handler
from perdure.errors import MaxTurnsExceeded, ModelBehaviorError, ModelRefusalError
from perdure.item_json import input_items
from perdure.loop.recovery import handlers_message

from .agents_as_tools import refusal
from .outputs import text_output, value_output
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

        async def ask() -> HandledError:
            said = await ask_error_handler(handler, about)
            return HandledError() if said is None else await unblocked(self._around.blobs, self._handled, said, agent)

        handled = await self._around.on_user_loop(ask)
        return CallUserOutput(handled=handled, **context_changes(asked, context))

    def _handled(self, said: RunErrorHandlerResult, agent: Agent[Any]) -> HandledError:
        """The answer of a handler: a text, a value of the agent's output type, or, without one, any value."""
        schema, value, blobs = output_schema_of(agent.output_type), said.final_output, self._around.blobs
        if schema is not None:
            text = dump_output(schema, validate_python(schema, value))
            output = text_output(text, blobs, "typed")
        else:
            text, output = str(value), value_output(value, blobs)
        extras: dict[str, Any] = {}
        if said.include_in_history and text != output.text:
            extras["message"] = store_item(handlers_message(text), blobs)
        return HandledError(output=output, include_in_history=said.include_in_history, **extras)

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
