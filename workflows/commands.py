"""What each step becomes in Temporal: activity type, input, timeouts, retries, and the line in the UI."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy

from perdure.contracts import steps as contracts
from perdure.contracts.effects import RESOLVE_EFFECT
from perdure.contracts.run import RunSettings
from perdure.contracts.sessions import READ_SESSION, WRITE_SESSION, ReadSessionOutput, WriteSessionOutput
from perdure.definition import AgentDefinition
from perdure.limits import (
    CALLABLE_TIMEOUT_SECONDS,
    GUARDRAIL_TIMEOUT_SECONDS,
    HEARTBEAT_TIMEOUT_SECONDS,
    LONGEST_STEP_SECONDS,
    MAX_ATTEMPTS,
    MAX_TYPE_BYTES,
    MODEL_TIMEOUT_SECONDS,
    SESSION_DOWN_SECONDS,
    SESSION_TIMEOUT_SECONDS,
    TOOL_GRACE_SECONDS,
    TOOL_TIMEOUT_SECONDS,
)
from perdure.loop.state import Call, Frame, LoopState
from perdure.loop.steps import (
    CallModel,
    CallTool,
    CallUser,
    CheckGuardrail,
    ResolveEffect,
    RunHook,
    SnapshotAgents,
    Step,
    UseSession,
)

from .call_inputs import resolve_input, tool_input
from .inputs import guardrail_input, hook_input, model_input, user_input
from .session_inputs import read_input, write_input
from .summaries import call_text, line

_HEARD_OUT = workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
_NOT_WAITED_FOR = workflow.ActivityCancellationType.TRY_CANCEL

# A lost attempt (its worker died) is repeated at once; one that fails says how long the next one waits (`Patience`).
_PATIENT = RetryPolicy(initial_interval=timedelta(seconds=0.2), backoff_coefficient=1.0, maximum_attempts=10)
_ONCE = RetryPolicy(maximum_attempts=1)
_LONGEST_PAUSE = timedelta(seconds=60)
# A run waits for its session's store as for a person.
_WAITING = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=_LONGEST_PAUSE,
    maximum_attempts=int(SESSION_DOWN_SECONDS / _LONGEST_PAUSE.total_seconds()),
)


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
    is_heard_out: bool = False  # one that is cancelled may yet say something
    is_local: bool = False  # it may be tried where the run is

    @property
    def size(self) -> int:
        """The input's bytes as they stand in the history, before a codec."""
        return self.input.payload.ByteSize()

    def start_locally(self) -> workflow.ActivityHandle[Any]:
        """Tries it once where the run is, as part of this workflow task; what it says need not be an outcome."""
        return workflow.start_local_activity(
            self.activity,
            self.input,
            activity_id=self.activity_id,
            result_type=self.result_type,
            start_to_close_timeout=self.timeout,
            retry_policy=_ONCE,
            summary=self.summary,
        )

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
            cancellation_type=_HEARD_OUT if self.is_heard_out else _NOT_WAITED_FOR,
            summary=self.summary,
        )


def command_for(state: LoopState, frame: Frame, step: Step, settings: RunSettings) -> Command:
    """The activity that does a step."""
    match step:
        case SnapshotAgents():
            value = contracts.SnapshotInput(agent=step.agent, settings=settings)
            return _callable(
                contracts.SNAPSHOT_AGENTS, step.id, value, contracts.SnapshotOutput, f"agents of {step.agent}"
            )
        case CallModel():
            return _call_model(state, frame, step, settings)
        case CallTool() | ResolveEffect() | CheckGuardrail():
            return _about_call(state, frame, step)
        case RunHook():
            return _run_hook(state, frame, step)
        case CallUser():
            return _call_user(state, frame, step, settings)
        case UseSession():
            return _use_session(state, frame, step)


def _call_model(state: LoopState, frame: Frame, step: CallModel, settings: RunSettings) -> Command:
    definition = state.definition(frame)
    seconds = max(MODEL_TIMEOUT_SECONDS, float(definition.settings.get("timeout") or 0))
    return Command(
        activity=contracts.CALL_MODEL,
        activity_id=step.id,
        input=_payload(model_input(state, frame, step, settings)),
        result_type=contracts.CallModelOutput,
        timeout=_step_timeout(seconds),
        retry=_retries(definition),
        summary=line(f"turn {_turn(frame, step.turn)}: {definition.name} asks {definition.model or 'its model'}"),
        is_heard_out=True,
    )


def _retries(definition: AgentDefinition) -> RetryPolicy:
    wanted = definition.retry
    if wanted is None:
        return _PATIENT
    longest = min(wanted.longest_seconds, LONGEST_STEP_SECONDS)
    return RetryPolicy(
        initial_interval=timedelta(seconds=min(wanted.initial_seconds, longest)),
        backoff_coefficient=wanted.multiplier,
        maximum_interval=timedelta(seconds=longest),
        maximum_attempts=min(wanted.attempts, MAX_ATTEMPTS),
    )


def _step_timeout(seconds: float) -> timedelta:
    return timedelta(seconds=min(seconds, LONGEST_STEP_SECONDS) + TOOL_GRACE_SECONDS)


def _activity_type(prefix: str, name: str) -> str:
    """What the activity is called; a worker does not go by the name in it, which is cut where the server refuses it."""
    return (prefix + name).encode()[:MAX_TYPE_BYTES].decode("utf-8", "ignore")


def _call_tool(state: LoopState, frame: Frame, step: CallTool, call: Call) -> Command:
    tool = call.tool
    if tool is None:
        raise RuntimeError(f"step {step.id} is about a tool that the agent does not have")
    listens = any(event.startswith("on_tool") for event in (*frame.rules.hooks, *state.definition(frame).hooks))
    value = tool_input(state, frame, call, with_context=tool.takes_context or listens)
    return Command(
        activity=_activity_type(contracts.CALL_TOOL, tool.name),
        activity_id=f"{step.id}-{call.digest}",
        input=_payload(value),
        result_type=contracts.CallToolOutput,
        timeout=_step_timeout(tool.timeout_seconds or TOOL_TIMEOUT_SECONDS),
        retry=_PATIENT,  # of what must not be repeated the ledger lets no second attempt run
        summary=call_text(call),
        is_local=tool.local,
    )


def _about_call(state: LoopState, frame: Frame, step: CallTool | ResolveEffect | CheckGuardrail) -> Command:
    if isinstance(step, CheckGuardrail):
        return _check_guardrail(state, frame, step)
    if isinstance(step, CallTool):
        return _call_tool(state, frame, step, _open_call(frame, step.call_id))
    return _resolve_effect(state, frame, step, _open_call(frame, step.call_id))


def _resolve_effect(state: LoopState, frame: Frame, step: ResolveEffect, call: Call) -> Command:
    value = resolve_input(state, frame, call)
    summary = f"{value.by or 'somebody'}: {value.outcome.replace('_', ' ')}: {call_text(call)}"
    activity_id = f"{step.id}-{call.digest}"
    return _callable(RESOLVE_EFFECT, activity_id, value, contracts.CallToolOutput, summary)


def _check_guardrail(state: LoopState, frame: Frame, step: CheckGuardrail) -> Command:
    call = frame.call(step.call_id)
    about = {"input": "what was added" if step.added else "the input", "output": "the final output"}.get(step.kind)
    if about is None and call is not None:
        about = f"{'the output of ' if step.kind == 'tool_output' else ''}{call_text(call)}"
    activity_id = step.id if call is None else f"{step.id}-{call.digest}"
    value = guardrail_input(state, frame, step, call)
    summary = f"may {about} pass?"
    seconds = GUARDRAIL_TIMEOUT_SECONDS
    name = _activity_type(contracts.CHECK_GUARDRAIL, step.name)
    return _callable(name, activity_id, value, contracts.GuardrailOutput, summary, seconds=seconds)


def _run_hook(state: LoopState, frame: Frame, step: RunHook) -> Command:
    call = frame.call(step.call_id)
    value = hook_input(state, frame, step, call)
    about = call_text(call) if call is not None else state.definition(frame).name
    return _callable(contracts.RUN_HOOK + step.event, step.id, value, contracts.HookOutput, f"{step.event}: {about}")


def _call_user(state: LoopState, frame: Frame, step: CallUser, settings: RunSettings) -> Command:
    call = frame.call(step.call_id)
    value = user_input(state, frame, step, call, settings)
    about = call_text(call) if call is not None else f"turn {_turn(frame, frame.turn)}"
    summary = f"does {about} need approval?" if step.role == "needs_approval" else f"{step.role}: {about}"
    activity_id = step.id if call is None else f"{step.id}-{call.digest}"
    return _callable(contracts.CALL_USER + step.role, activity_id, value, contracts.CallUserOutput, summary)


def _use_session(state: LoopState, frame: Frame, step: UseSession) -> Command:
    session = frame.session
    if session is None:
        raise RuntimeError(f"step {step.id} is about a session that the run does not have")
    name = repr(session.definition.session_id)
    if step.does == "read":
        activity, result_type, value = READ_SESSION, ReadSessionOutput, read_input(state, frame, session)
        summary = f"what was said in session {name} before"
    else:
        activity, result_type, value = WRITE_SESSION, WriteSessionOutput, write_input(state, frame, session, step)
        summary = f"session {name} is told {len(value.items)} item{'' if len(value.items) == 1 else 's'}"
    timeout = _step_timeout(SESSION_TIMEOUT_SECONDS)
    return Command(activity, step.id, _payload(value), result_type, timeout, _WAITING, line(summary))


def _turn(frame: Frame, turn: int) -> str:
    return f"{frame.path}/{turn}" if frame.path else str(turn)


def _callable(
    activity: str,
    step_id: str,
    value: Any,
    result_type: type[Any],
    summary: str,
    *,
    seconds: float = CALLABLE_TIMEOUT_SECONDS,
) -> Command:
    return Command(activity, step_id, _payload(value), result_type, _step_timeout(seconds), _PATIENT, line(summary))


def _payload(value: Any) -> RawValue:
    return RawValue(workflow.payload_converter().to_payload(value))


def _open_call(frame: Frame, call_id: str) -> Call:
    call = frame.call(call_id)
    if call is None:
        raise RuntimeError(f"step for call {call_id}, which is not open")
    return call
