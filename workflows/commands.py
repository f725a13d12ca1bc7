"""What each step becomes in Temporal: activity type, input, timeouts, retries, and the line in the UI."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy

from perdure.contracts import steps as contracts
from perdure.contracts.run import RunSettings, Tokens
from perdure.items import is_reference
from perdure.limits import (
    CALLABLE_TIMEOUT_SECONDS,
    HEARTBEAT_TIMEOUT_SECONDS,
    MAX_TAIL_BYTES,
    MODEL_TIMEOUT_SECONDS,
    TOOL_GRACE_SECONDS,
    TOOL_TIMEOUT_SECONDS,
)
from perdure.loop.state import Call, LoopState
from perdure.loop.steps import CallModel, CallTool, JudgeCall, SnapshotAgents, Step

_SUMMARY_CHARACTERS = 180

# A lost attempt (its worker died) is repeated up to the limit; a model's or worker's refusal waits longer each time.
_PATIENT = RetryPolicy(
    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=60), maximum_attempts=10
)
_ONCE = RetryPolicy(maximum_attempts=1)


@dataclass(slots=True, frozen=True)
class Command:
    """One activity to schedule."""

    activity: str
    activity_id: str
    input: RawValue
    result_type: type[Any]
    timeout: timedelta
    retry: RetryPolicy
    summary: str

    @property
    def size(self) -> int:
        """The input's bytes as they stand in the history, before a codec."""
        return self.input.payload.ByteSize()

    def start(self) -> workflow.ActivityHandle[Any]:
        """Schedules the activity."""
        return workflow.start_activity(
            self.activity,
            self.input,
            activity_id=self.activity_id,
            result_type=self.result_type,
            start_to_close_timeout=self.timeout,
            heartbeat_timeout=timedelta(seconds=HEARTBEAT_TIMEOUT_SECONDS),
            retry_policy=self.retry,
            summary=self.summary,
        )


def command_for(state: LoopState, step: Step, settings: RunSettings) -> Command:
    """The activity that does a step."""
    match step:
        case SnapshotAgents(id, agent):
            value = contracts.SnapshotInput(agent=agent, settings=settings)
            return _callable(contracts.SNAPSHOT_AGENTS, id, value, contracts.SnapshotOutput, f"agents of {agent}")
        case CallModel():
            return _call_model(state, step)
        case JudgeCall(id, call_id):
            call = _open_call(state, call_id)
            summary = f"does {_as_text(call)} need approval?"
            value = _tool_call(state, call)
            return _callable(contracts.JUDGE_CALL, f"{id}-{call.digest}", value, contracts.JudgeCallOutput, summary)
        case CallTool(id, call_id):
            return _call_tool(state, id, _open_call(state, call_id))


def _call_model(state: LoopState, step: CallModel) -> Command:
    definition = state.definition
    cursor, items = _cursor(state)
    forget = definition.reset_tool_choice and state.agent in state.agents_with_tool_use
    extras: dict[str, Any] = {"forget_tool_choice": True} if forget else {}
    if definition.calls_user_code:
        extras |= {"context": state.context, "usage": Tokens.of(state.usage)}
    value = contracts.CallModelInput(
        agent=state.agent, definition=definition.digest, turn=step.turn, cursor=cursor, items=items, **extras
    )
    return Command(
        activity=contracts.CALL_MODEL,
        activity_id=step.id,
        input=_payload(value),
        result_type=contracts.CallModelOutput,
        timeout=timedelta(seconds=MODEL_TIMEOUT_SECONDS + TOOL_GRACE_SECONDS),
        retry=_PATIENT,
        summary=f"turn {step.turn}: {definition.name} asks {definition.model or 'its model'}",
    )


def _cursor(state: LoopState) -> tuple[contracts.Cursor, list[dict[str, Any]]]:
    """The conversation as the model call gets it: what is new since the last one, at most 256 KiB of it."""
    transcript = state.transcript
    count = base = len(transcript.entries)
    size = 0
    while base > transcript.sent and size + len(transcript.entries[base - 1].data) <= MAX_TAIL_BYTES:
        base -= 1
        size += len(transcript.entries[base].data)
    cursor = contracts.Cursor(
        origin=transcript.origin,
        digest=transcript.digest_at(count),
        count=count,
        base=transcript.digest_at(base),
        base_count=base,
    )
    return cursor, [json.loads(entry.data) for entry in transcript.entries[base:]]


def _call_tool(state: LoopState, step_id: str, call: Call) -> Command:
    timeout = (call.tool.timeout_seconds or TOOL_TIMEOUT_SECONDS) + TOOL_GRACE_SECONDS
    return Command(
        activity=contracts.CALL_TOOL + call.tool.name,
        activity_id=f"{step_id}-{call.digest}",
        input=_payload(_tool_call(state, call)),
        result_type=contracts.CallToolOutput,
        timeout=timedelta(seconds=timeout),
        retry=_ONCE if call.tool.effect == "once" else _PATIENT,
        summary=_as_text(call),
    )


def _callable(activity: str, step_id: str, value: Any, result_type: type[Any], summary: str) -> Command:
    timeout = timedelta(seconds=CALLABLE_TIMEOUT_SECONDS + TOOL_GRACE_SECONDS)
    return Command(activity, step_id, _payload(value), result_type, timeout, _PATIENT, summary)


def _tool_call(state: LoopState, call: Call) -> contracts.ToolCall:
    extras: dict[str, Any] = {}
    if is_reference(call.item):
        extras["arguments_blob"] = call.item["perdure_blob"]["sha256"]
    if call.tool.takes_context or call.tool.needs_approval == "rule":
        extras |= {"context": state.context, "usage": Tokens.of(state.usage)}
    if state.tool_output_format == "str":
        extras["output_format"] = "str"
    info = workflow.info()
    return contracts.ToolCall(
        call_id=call.id,
        model_call_id=call.model_call_id,
        agent=state.agent,
        tool=call.tool.name,
        fingerprint=call.tool.fingerprint,
        arguments=call.arguments,
        idempotency_key=f"{info.workflow_id}/{info.first_execution_run_id}/{call.id}",
        **extras,
    )


def _payload(value: Any) -> RawValue:
    return RawValue(workflow.payload_converter().to_payload(value))


def _open_call(state: LoopState, call_id: str) -> Call:
    call = state.call(call_id)
    if call is None:
        raise RuntimeError(f"step for call {call_id}, which is not open")
    return call


def _as_text(call: Call) -> str:
    """A call as it would stand in code: `refund(order_id='7', amount=40.0)`."""
    try:
        arguments = json.loads(call.arguments or "{}")
        inner = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    except (ValueError, AttributeError):
        inner = call.arguments
    text = f"{call.tool.name}({inner})".replace("\n", " ").replace("`", "'")
    return text if len(text) <= _SUMMARY_CHARACTERS else text[: _SUMMARY_CHARACTERS - 2] + "…)"
