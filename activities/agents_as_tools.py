"""Functions of the user about agents as tools: their input, their output, and what a failure is told as."""

from __future__ import annotations

import inspect
import json
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from perdure import errors
from perdure.agent_tool import AgentTool, build_input
from perdure.blobs import store_items, unblocked
from perdure.context import RunContextWrapper
from perdure.contracts.steps import BuiltInput, CallUserInput, CallUserOutput, ToolCall, TranscriptName
from perdure.item_json import input_items, item_json
from perdure.limits import MAX_RESULT_BYTES
from perdure.result import AgentToolInvocation, ResultSource, RunResult
from perdure.served import AgentNotServed

from .judging_calls import call_of
from .live_tools import LiveTools
from .nested_streams import NestedStream
from .outputs import read_content, read_final, text_output, value_output
from .surroundings import Surroundings, context_changes
from .transcripts import Transcripts

_INPUT_BYTES = MAX_RESULT_BYTES // 2
_OF_A_MESSAGE = (errors.UserError, errors.ModelBehaviorError, errors.MaxTurnsExceeded)
_BAD_ARGUMENTS = (errors.ModelBehaviorError, errors.UserError, ValidationError)


def _as_text(result: RunResult) -> str:
    return str(result.final_output)


class AgentsAsTools:
    """Asks about runs of agents that are tools."""

    def __init__(self, around: Surroundings, tools: LiveTools, transcripts: Transcripts) -> None:
        self._around = around
        self._tools = tools
        self._transcripts = transcripts

    async def input_builder(self, asked: CallUserInput) -> CallUserOutput:
        """The input of the agent's run, made of the call's arguments; or why there is none, for the calling model."""
        call, agent_tool = call_of(asked), self._agent_tool(asked)
        context = self._around.tool_context(asked, call, await self._tools.arguments(call))
        try:
            built = await self._around.on_user_loop(lambda: build_input(agent_tool, context, context.tool_arguments))
        except _BAD_ARGUMENTS as error:
            said = errors.describe_exception(error)
            return CallUserOutput(built=BuiltInput(problem=said["message"], problem_type=said["type"]))
        given, tool_input = built
        items, blobs = [item_json(item) for item in input_items(given)], self._around.blobs
        value = BuiltInput(
            items=await unblocked(blobs, store_items, items, blobs, _INPUT_BYTES),
            is_text=isinstance(given, str),
            tool_input=to_jsonable_python(tool_input),
        )
        return CallUserOutput(built=value, **context_changes(asked, context))

    async def failure_error_function(self, asked: CallUserInput) -> CallUserOutput:
        """What the calling model is told of a failed run; no text: the failure is the caller's, too."""
        call, agent_tool = call_of(asked), self._agent_tool(asked)
        function = agent_tool.failure_error_function
        if function is None:
            raise AgentNotServed(f"Tool {call.tool!r} of this worker has no failure_error_function.")
        context = self._around.tool_context(asked, call, await self._tools.arguments(call))
        failure = rebuilt(asked.error_kind, asked.error)

        async def ask() -> Any:
            said = function(context, failure)
            return await said if inspect.isawaitable(said) else said

        said = await self._around.on_user_loop(ask)
        return CallUserOutput(text=None if said is None else str(said), **context_changes(asked, context))

    async def custom_output_extractor(self, asked: CallUserInput) -> CallUserOutput:
        """The tool's output: what a function of the user makes of the agent's result, else its final output."""
        agent_tool, call, made, blobs = self._agent_tool(asked), call_of(asked), asked.output, self._around.blobs
        extractor = agent_tool.custom_output_extractor
        if agent_tool.on_stream is not None:
            await self._tell_last(asked, agent_tool, call)
        if extractor is None and made is not None and call.output_format == "json":
            content = await read_content(made, blobs)
            text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
            return CallUserOutput(output=await unblocked(blobs, text_output, text, blobs, made.kind, answers=call))
        context = self._around.context(asked)
        result = await self._result(asked, context)

        async def ask() -> Any:
            result.final_output = await read_final(asked.output, result.last_agent, blobs)
            said: Any = (extractor or _as_text)(result)
            return await said if inspect.isawaitable(said) else said

        value = await self._around.on_user_loop(ask)
        output = await unblocked(blobs, value_output, value, blobs, answers=call)
        return CallUserOutput(output=output, **context_changes(asked, context))

    async def _tell_last(self, asked: CallUserInput, agent_tool: AgentTool, call: ToolCall) -> None:
        """Tells who listens to the agent's run the outputs that ended it."""
        answers = {"type": "function_call", "call_id": call.model_call_id, "name": call.tool}
        answers["arguments"] = await self._tools.arguments(call)
        stream = NestedStream(self._around, self._transcripts, agent_tool, asked, answers)
        async with stream.told():
            await stream.catch_up(asked.transcript or TranscriptName(path=asked.path))

    async def _result(self, asked: CallUserInput, context: RunContextWrapper[Any]) -> RunResult:
        """The result of the agent's run, all but its final output."""
        transcript = await self._transcripts.read(asked.transcript or TranscriptName(path=asked.path))
        members = self._around.served.members(self._around.run_id, asked.root)
        call, agent_tool = call_of(asked), self._agent_tool(asked)
        invocation = AgentToolInvocation(call.tool, call.model_call_id, await self._tools.arguments(call))
        new_items = transcript.run_items(members)
        return RunResult(
            input=transcript.input(is_text=asked.input_is_text),
            new_items=new_items,
            raw_responses=transcript.responses(),
            last_agent=new_items[-1].agent if new_items else agent_tool.agent,
            context_wrapper=context,
            max_turns=agent_tool.max_turns,
            run_id=self._around.run_id,
            source=ResultSource(invocation=invocation),
        )

    def _agent_tool(self, asked: CallUserInput) -> AgentTool:
        tool = self._tools.tool(self._around.run_id, call_of(asked))
        if tool.agent_tool is None:
            raise AgentNotServed(f"Tool {tool.name!r} of this worker is no agent, as the run's tool was.")
        return tool.agent_tool


def rebuilt(type_name: str, message: str) -> Exception:
    """An exception of an agent's run, of which type and text are known; one of the user's own is a `RunFailed`."""
    kind = getattr(errors, type_name, None)
    if not (isinstance(kind, type) and issubclass(kind, errors.AgentsException)):
        return errors.RunFailed(message, type_name=type_name)
    if issubclass(kind, errors.ModelRefusalError):
        return refusal(message)
    if issubclass(kind, _OF_A_MESSAGE):
        return kind(message)
    return kind.__new__(kind, message)  # its maker wants the parts that the text was made of


def refusal(text: str) -> errors.ModelRefusalError:
    """The error of a refusal, of its own text or of the refusal's."""
    return errors.ModelRefusalError(text.removeprefix("Model refused to produce output: "))
