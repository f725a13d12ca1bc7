"""What the steps about one call are told, and what every step that meets the user's code is told."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

from perdure.contracts import steps as contracts
from perdure.contracts.effects import ResolveEffectInput
from perdure.contracts.tokens import Tokens
from perdure.items import is_reference
from perdure.limits import MAX_ITEM_BYTES
from perdure.loop.state import Call, Frame, LoopState


def surroundings(state: LoopState, frame: Frame, *, with_context: bool = True) -> dict[str, Any]:
    """What every step that meets the user's code is told."""
    values: dict[str, Any] = {"root": state.agent_name, "agent": frame.agent}
    if frame.path:
        values |= {"path": frame.path, "opened_by": frame.opened_by}
    if frame.tool_input is not None:
        values["tool_input"] = frame.tool_input
    if state.thread is not None and state.thread.current is not None:
        values["message_id"] = state.thread.current.message_id
    if with_context:
        values |= {"context": state.context, "usage": Tokens.of(state.usage)}
    return values


def tool_input(state: LoopState, frame: Frame, call: Call, *, with_context: bool) -> contracts.ToolCall:
    """One call of a tool."""
    extras: dict[str, Any] = {}
    if is_reference(call.item):
        extras["arguments_blob"] = call.item["perdure_blob"]["sha256"]
    if state.tool_output_format == "str":
        extras["output_format"] = "str"
    if state.tool_output_bytes != MAX_ITEM_BYTES:
        extras["output_bytes"] = state.tool_output_bytes
    if call.tool is not None and call.tool.output_guardrails:
        extras["end_hook"] = False
    info = workflow.info()
    return contracts.ToolCall(
        **surroundings(state, frame, with_context=with_context),
        call_id=call.id,
        model_call_id=call.model_call_id,
        tool=call.name,
        fingerprint=call.tool.fingerprint if call.tool is not None else "",
        arguments=call.arguments,
        idempotency_key=f"{info.workflow_id}/{info.first_execution_run_id}/{call.id}",
        **extras,
    )


def resolve_input(state: LoopState, frame: Frame, call: Call) -> ResolveEffectInput:
    """What a person has said about a call."""
    said = call.resolution
    if said is None:
        raise RuntimeError(f"call {call.id} is resolved by nobody")
    called = tool_input(state, frame, call, with_context=False)
    return ResolveEffectInput(call=called, outcome=said.outcome, result=said.result, by=said.by)
