"""Decides: what may start now, what must stop, what is waited for, whether the run is over.

Rule 1. A run that has failed or finished does nothing more.
Rule 2. Without a snapshot of the agents nothing else starts.
Rule 3. What belongs to an agent as a tool that has ended is stopped.
Rule 4. Each frame asks for what its stage lacks; while calls are open, each call for what its phase lacks.
Rule 5. What is in flight is not named again, so planning twice starts nothing twice.
Rule 6. While a run is paused or interrupted no step starts; while it is to hear a message now, its agents as tools
start none, but what a person has said of an outcome is noted.
"""

from __future__ import annotations

from collections.abc import Iterator

from perdure.limits import MAX_PARALLEL_CALLS
from perdure.loop.calls import busy_calls
from perdure.loop.declining import offered
from perdure.loop.records import Guard
from perdure.loop.state import Call, Frame, LoopState
from perdure.loop.steps import (
    Action,
    CallModel,
    CallTool,
    CallUser,
    Cancel,
    CheckGuardrail,
    Fail,
    Finish,
    Interrupt,
    ResolveEffect,
    RunHook,
    SnapshotAgents,
    Start,
    Step,
    UseSession,
    Wait,
)
from perdure.loop.threads import NOBODY
from perdure.loop.urgency import urgency
from perdure.roles import Role

_WAITS = {"waiting": "approval", "unknown": "outcome"}
_HOOKS = {"announcing": "on_handoff", "ending": "on_agent_end"}
_FUNCTIONS: dict[str, Role] = {
    "choosing": "tool_use_behavior",
    "handing off": "on_handoff",
    "filtering": "handoff_input_filter",
    "recovering": "error_handler",
}
_CALL_FUNCTIONS: dict[str, Role] = {
    "judging": "needs_approval",
    "preparing": "input_builder",
    "extracting": "custom_output_extractor",
    "failing": "failure_error_function",
    "explaining": "tool_error_formatter",
}


def plan(state: LoopState) -> list[Action]:
    """What the run asks for now."""
    if state.failure is not None:
        return [Fail(state.failure)]
    if state.root.stage == "done":
        return [Finish()]
    if state.snapshot is None or state.root.stage == "listening":
        return _without_agents(state)
    frames = state.frames()
    alive = {frame.path for frame in frames}
    actions: list[Action] = [Cancel(step_id) for step_id, path in state.in_flight.items() if path not in alive]
    actions += [Interrupt(step_id) for step_id in state.steering.stopped if step_id in state.in_flight]
    for frame in frames:
        actions += _new(state, _steps(state, frame))
        actions += _about_session(state, frame)
        actions += [
            Wait(f"{_WAITS[call.phase]}.{call.id}", call.id, state.approval_timeout_seconds)
            for call in frame.calls
            if call.phase in _WAITS
        ]
    return _bounded(state, _permitted(state, actions))


def _permitted(state: LoopState, actions: list[Action]) -> list[Action]:
    """The actions without the steps that may not start now."""
    if state.steering.is_held:
        return [action for action in actions if not isinstance(action, Start)]
    if urgency(state.root) == "now":
        return [each for each in actions if not isinstance(each, Start) or _serves_the_run(each.step)]
    return actions


def _serves_the_run(step: Step) -> bool:
    return not step.path or isinstance(step, ResolveEffect)


def _without_agents(state: LoopState) -> list[Action]:
    """A thread between two messages stops what is left of the last one; else the agents come first."""
    left: list[Action] = [Cancel(step_id) for step_id, path in state.in_flight.items() if path == NOBODY]
    if state.root.stage == "listening":
        return left
    message = state.thread.current if state.thread is not None else None
    step_id = "snapshot" if message is None else f"snapshot.{message.sequence}"
    return _permitted(state, [*left, *_new(state, [SnapshotAgents(id=step_id, agent=state.agent_name)])])


def _bounded(state: LoopState, actions: list[Action]) -> list[Action]:
    """The actions without the steps for which there is no room now."""
    room = max(MAX_PARALLEL_CALLS - len(state.in_flight), 0)
    starts = [action for action in actions if isinstance(action, Start)]
    late = {id(action) for action in starts[room:]}
    return [action for action in actions if id(action) not in late]


def _new(state: LoopState, steps: list[Step] | Iterator[Step]) -> list[Action]:
    """Those of the steps that are not in flight, under the ids that they have by now."""
    due = (offered(step, state.deferred.get(step.id)) for step in steps)
    return [Start(step) for step in due if step.id not in state.in_flight]


def _steps(state: LoopState, frame: Frame) -> Iterator[Step]:
    """What a frame lacks to go on."""
    match frame.stage:
        case "screening" | "starting" | "asking" | "holding":
            yield from _steps_before_answer(frame)
        case "admitting":
            guards = frame.admission.guards if frame.admission is not None else []
            yield from (_guard(frame, "added", guard) for guard in guards if not guard.passed)
        case "calling":
            yield from _call_steps(state, frame)
        case "announcing" | "ending":
            event = _HOOKS[frame.stage]
            yield RunHook(id=_id(frame, "hook", f"{frame.turn}.{event}"), path=frame.path, event=event)
        case "reviewing":
            yield from (_guard(frame, "output", guard) for guard in frame.reviews if not guard.passed)
        case "choosing" | "handing off" | "filtering" | "recovering":
            role = _FUNCTIONS[frame.stage]
            yield CallUser(id=_id(frame, "call", f"{frame.turn}.{role}"), path=frame.path, role=role)
        case "remembering" | "saving" | "listening" | "done":
            return


def _about_session(state: LoopState, frame: Frame) -> Iterator[Action]:
    """A session is read once, then told what is due, one write after the other; before the end nothing else goes on."""
    if frame.session is None:
        return
    if frame.session.failure is not None:
        flying = [step_id for step_id, path in state.in_flight.items() if path == frame.path]
        yield from (Cancel(step_id) for step_id in flying if not step_id.startswith("session."))
    if frame.session.due:
        step_id = _id(frame, "session", f"write.{frame.session.due[0].number}")
        yield from _new(state, [UseSession(id=step_id, path=frame.path, does="write")])
    elif frame.stage == "remembering":
        yield from _new(state, [UseSession(id=_id(frame, "session", "read"), path=frame.path, does="read")])


def _steps_before_answer(frame: Frame) -> Iterator[Step]:
    """The guardrails beside the model wait for the blocking ones, and start with the agent."""
    turn = frame.turn + 1
    beside = frame.stage != "screening"
    if frame.stage == "starting":
        yield RunHook(id=_id(frame, "hook", f"{turn}.on_agent_start"), path=frame.path, event="on_agent_start")
    elif frame.stage == "asking":
        again = f".{frame.cuts}" if frame.cuts else ""
        yield CallModel(id=_id(frame, "model", f"{turn}{again}"), path=frame.path, turn=turn)
    yield from (
        _guard(frame, "input", guard) for guard in frame.guards if not guard.passed and guard.parallel == beside
    )


def _guard(frame: Frame, kind: str, guard: Guard) -> CheckGuardrail:
    name = f"added.{frame.record.count}" if kind == "added" else kind  # each that is added enters at another place
    if frame.begun and kind != "added":
        name = f"{kind}.{frame.begun + 1}"  # a thread's messages begin with different turns
    return CheckGuardrail(
        id=_id(frame, "guardrail", f"{name}.{guard.source}.{guard.index}"),
        path=frame.path,
        kind="output" if kind == "output" else "input",
        added=kind == "added",
        source=guard.source,
        index=guard.index,
        name=guard.name,
    )


def _call_steps(state: LoopState, frame: Frame) -> Iterator[Step]:
    limit, busy = frame.rules.max_parallel_tools, busy_calls(state, frame)
    for call in frame.calls:
        if call.failure is not None and call.phase != "failing":
            continue
        if call.phase == "ready" and call.id not in busy:
            if limit is not None and len(busy) >= limit:
                continue
            busy.add(call.id)
        step = _call_step(frame, call)
        if step is not None:
            yield step


def _call_step(frame: Frame, call: Call) -> Step | None:
    match call.phase:
        case "ready":
            return CallTool(id=f"tool.{call.id}", path=frame.path, call_id=call.id)
        case "resolving":
            return ResolveEffect(id=f"effect.{call.id}", path=frame.path, call_id=call.id)
        case "screening" | "checking" | "reviewing":
            return _tool_guard(frame, call)
        case "greeting" | "ending":
            event = "on_tool_start" if call.phase == "greeting" else "on_tool_end"
            return RunHook(id=f"hook.{call.id}.{event}", path=frame.path, event=event, call_id=call.id)
        case "judging" | "preparing" | "extracting" | "failing" | "explaining":
            role = _CALL_FUNCTIONS[call.phase]
            return CallUser(id=f"call.{call.id}.{role}", path=frame.path, role=role, call_id=call.id)
        case "waiting" | "unknown" | "running" | "done":
            return None


def _tool_guard(frame: Frame, call: Call) -> CheckGuardrail | None:
    if call.tool is None:
        return None
    kind = "tool_output" if call.phase == "reviewing" else "tool_input"
    names = call.tool.output_guardrails if call.phase == "reviewing" else call.tool.input_guardrails
    return CheckGuardrail(
        id=f"guardrail.{call.id}.{call.phase}.{call.checked}",
        path=frame.path,
        kind=kind,
        source="tool",
        index=call.checked,
        name=names[call.checked],
        call_id=call.id,
    )


def _id(frame: Frame, kind: str, name: str) -> str:
    return f"{kind}.{frame.path}/{name}" if frame.path else f"{kind}.{name}"
