"""One call of a tool: the dynamic activity behind every `tool.<name>`."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json
from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from perdure.blobs import BlobStore, load_blob, store_item
from perdure.canonical import clean_text
from perdure.context import ToolContext
from perdure.contracts.run import Tokens
from perdure.contracts.steps import CALL_TOOL, CallToolOutput, ToolCall
from perdure.definition import define_tool
from perdure.errors import UserError
from perdure.limits import MAX_ITEM_BYTES, TOOL_TIMEOUT_SECONDS
from perdure.portable_context import changed_fields
from perdure.served import AgentNotServed, ServedAgents, UserLoopEnded
from perdure.tool import FunctionTool, default_tool_error_function, invoke_function_tool

from .attempts import heartbeats, told

_FINGERPRINTS_KEPT = 1000
_INLINE_CHARACTERS = 10_000  # a text this short is stored faster than a thread is found for it
_CUT = "bytes reach a model]"


class CallTool:
    """Calls the function tools that this worker has."""

    def __init__(self, served: ServedAgents, blobs: BlobStore | None) -> None:
        self._served = served
        self._blobs = blobs
        self._fingerprints: OrderedDict[int, tuple[FunctionTool, str]] = OrderedDict()

    @activity.defn(dynamic=True)
    async def call_tool(self, args: Sequence[RawValue]) -> CallToolOutput:
        """Runs the call; what the tool's code raises is an outcome, only a lost attempt is repeated."""
        info = activity.info()
        if not info.activity_type.startswith(CALL_TOOL) or len(args) != 1:
            raise ApplicationError(
                f"No activity {info.activity_type!r} is known.", type="UserError", non_retryable=True
            )
        call: ToolCall = activity.payload_converter().from_payload(args[0].payload, ToolCall)
        async with heartbeats():
            with told(self._served):
                tool = self.tool(call)
                _refuse_repetition(tool, info.attempt)
                arguments = await self.arguments(call)
                context = self.context(call, arguments)
                result = await self._served.on_user_loop(
                    info.workflow_id or "",
                    lambda: invoke_function_tool(
                        tool, context, arguments, default_timeout_seconds=TOOL_TIMEOUT_SECONDS
                    ),
                )
                if isinstance(result, str) and len(result) < _INLINE_CHARACTERS:
                    return self._output(call, tool, context, result)
                return await asyncio.to_thread(self._output, call, tool, context, result)

    def tool(self, call: ToolCall) -> FunctionTool:
        """The live tool, if it is the one that the run knows.

        Raises:
            AgentNotServed: This worker has none, or one with another definition.
        """
        tool = self._served.tool(activity.info().workflow_id or "", call.agent, call.tool)
        fingerprint = self._fingerprint(tool)
        if fingerprint != call.fingerprint:
            raise AgentNotServed(
                f"Tool {call.tool!r} of this worker has definition {fingerprint}, the run knows {call.fingerprint}: "
                "its name, description, schema, approval or effect was changed. Deploy a worker that has it as it was."
            )
        return tool

    async def arguments(self, call: ToolCall) -> str:
        """The arguments as the model wrote them."""
        if call.arguments_blob is None:
            return call.arguments
        item = await asyncio.to_thread(load_blob, call.arguments_blob, self._blobs)
        return json.loads(item)["arguments"]

    def context(self, call: ToolCall, arguments: str) -> ToolContext[Any]:
        """What the tool's code is handed."""
        info = activity.info()
        run_id = info.workflow_id or ""
        return ToolContext(
            self._served.context(run_id, call.context),
            (call.usage or Tokens()).usage(),
            tool_name=call.tool,
            tool_call_id=call.model_call_id,
            tool_arguments=arguments,
            agent=self._served.agent(run_id, call.agent),
            run_config=self._served.config(run_id),
            idempotency_key=call.idempotency_key,
            run_id=run_id,
            attempt=info.attempt,
        )

    def _fingerprint(self, tool: FunctionTool) -> str:
        known = self._fingerprints.get(id(tool))
        if known is None or known[0] is not tool:
            known = self._fingerprints[id(tool)] = (tool, define_tool(tool).fingerprint)
            while len(self._fingerprints) > _FINGERPRINTS_KEPT:
                self._fingerprints.popitem(last=False)
        return known[1]

    def _output(self, call: ToolCall, tool: FunctionTool, context: ToolContext[Any], result: Any) -> CallToolOutput:
        text, is_value = _as_text(tool, context, result, call.output_format)
        item = {"call_id": call.model_call_id, "output": text, "type": "function_call_output"}
        changes = (
            changed_fields(call.context, context.context) if tool.takes_context and call.context is not None else {}
        )
        extras: dict[str, Any] = {"context_changes": changes} if changes else {}
        if is_value:
            extras["is_value"] = True
        return CallToolOutput(item=store_item(item, self._blobs), **extras)


def _refuse_repetition(tool: FunctionTool, attempt: int) -> None:
    """Temporal makes one attempt of a call that must not be repeated; an operator's `unpause` makes another."""
    if tool.resolved_effect == "once" and attempt > 1:
        raise UserLoopEnded("An earlier attempt of this call was begun; it is not repeated.")


def _as_text(tool: FunctionTool, context: ToolContext[Any], result: Any, output_format: str) -> tuple[str, bool]:
    """A tool's result as the model gets it, and whether that is the JSON of a value."""
    if isinstance(result, str):
        return _bounded(result), False
    if output_format == "str":
        return _bounded(str(result)), False
    try:
        text = _bounded(to_json(result).decode())
    except ValueError as error:
        hint = f"tool {tool.name} returned a {type(result).__name__}, which is not JSON ({error})"
        advice = UserError(f"{hint}. Return str, numbers, lists, dicts or models.")
        return _bounded(default_tool_error_function(context, advice)), False
    return text, not text.endswith(_CUT)


def _bounded(text: str) -> str:
    text = clean_text(text)
    data = text.encode()
    if len(data) <= MAX_ITEM_BYTES:
        return text
    kept = data[: MAX_ITEM_BYTES // 2].decode("utf-8", "ignore")
    return f"{kept}\n[cut: the first half of what may be shown; of {len(data)} no more than {MAX_ITEM_BYTES} {_CUT}"
