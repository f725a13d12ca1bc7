"""What a run tells of itself: its status, and what it waits for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from perdure.contracts.frozen import REQUESTS_TOLD, requests_of
from perdure.contracts.holding import HoldView
from perdure.contracts.messages import ApprovalView, CallView, DeclinedView, StatusView, UnknownView
from perdure.contracts.run import RunSettings
from perdure.contracts.tokens import Tokens
from perdure.items import is_reference
from perdure.limits import MAX_PAGE_BYTES
from perdure.loop.declining import delay_seconds
from perdure.loop.holds import Hold
from perdure.loop.records import Decision, Resolution
from perdure.loop.sending import unsaid
from perdure.loop.state import Call, Frame, LoopState
from perdure.loop.steps import first_id
from perdure.loop.turn import in_output_order
from perdure.markdown import short

from .pages import guardrail_view, input_views, kept_view
from .telling import thread_view, words_of

SHOWN_CHARACTERS = 600


def approvals_of(state: LoopState) -> list[ApprovalView]:
    """The calls that wait for a decision, in call order; arguments are shortened where they fill a page together."""
    waiting = [(frame, call) for frame in state.frames() for call in frame.calls if call.phase == "waiting"]
    each = max(MAX_PAGE_BYTES // (len(waiting) or 1) // 8, SHOWN_CHARACTERS)  # a character takes 6 bytes at most
    return [
        ApprovalView(
            call_id=call.id,
            tool=call.name,
            arguments=short(call.arguments or _head(call), each),
            agent=frame.agent,
            digest=call.digest,
            since=time_of(call.since),
            expires=time_of(call.since + state.approval_timeout_seconds),
        )
        for frame, call in waiting
    ]


def unknown_of(state: LoopState) -> list[UnknownView]:
    """The calls whose outcome nobody knows."""
    return [
        UnknownView(
            call_id=call.id,
            tool=call.name,
            arguments=short(call.arguments or _head(call), SHOWN_CHARACTERS),
            agent=frame.agent,
            digest=call.digest,
            why=call.unknown,
        )
        for frame in state.frames()
        for call in frame.calls
        if call.phase == "unknown"
    ]


def _declined_of(state: LoopState) -> list[DeclinedView]:
    """The steps that wait to be offered again; one that was declined and is not in flight is nobody's any more."""
    in_flight = {first_id(step_id) for step_id in state.in_flight}
    return [
        DeclinedView(
            step=step,
            reason=declined.reason,
            times=declined.times,
            within_seconds=delay_seconds(declined),
            call_id=declined.call_id,
            tool=call.name if (call := state.call(declined.call_id)) is not None else "",
        )
        for step, declined in state.deferred.items()
        if step in in_flight
    ]


def _head(call: Call) -> str:
    return call.item["perdure_blob"]["head"] if is_reference(call.item) else ""


def status_of(state: LoopState, ignored: list[str], settings: RunSettings) -> StatusView:
    """What the run does, and why."""
    phase, why = phase_of(state)
    root = state.root
    return StatusView(
        agent=root.agent or state.agent_name,
        phase=phase,
        why=why,
        turn=root.turn,
        max_turns=root.max_turns,
        items=root.record.count,
        usage=Tokens.of(state.usage),
        inherited=None if state.inherited is None else Tokens.of(state.inherited),
        calls=_calls(state),
        approvals=approvals_of(state),
        decided={call_id: told(decision) for call_id, decision in state.decided.items()},
        declined=_declined_of(state),
        unknown=unknown_of(state),
        resolved={call_id: told_outcome(said) for call_id, said in state.resolved.items()},
        effects=dict(state.effects),
        unknown_outcomes=list(state.unknown_outcomes),
        guardrails=[guardrail_view(each) for each in root.guardrails],
        input_is_text=root.input_is_text,
        requests=requests_of(state.usage, REQUESTS_TOLD),
        shown_epoch=root.shown.epoch,
        kept=None if root.kept is None else kept_view(root.kept),
        omits_reasoning_ids=root.rules.omit_reasoning_ids,
        context=state.context,
        inputs=input_views(root),
        settings=settings.chosen,
        paused=_hold(state.steering.paused),
        interrupted=_hold(state.steering.interrupted),
        warnings=[*state.warnings, *filter(None, [unsaid(state)])],
        ignored=list(ignored),
        thread=None if state.thread is None else thread_view(state, state.thread),
    )


def _hold(hold: Hold | None) -> HoldView | None:
    return None if hold is None else HoldView(by=hold.by, reason=hold.reason, since=time_of(hold.at))


def held_by(hold: Hold) -> str:
    """Who holds the run up, since when and why, in words that follow its verb."""
    by = f" by {hold.by}" if hold.by else ""
    return f"{by} at {time_of(hold.at)}{f': {hold.reason}' if hold.reason else ''}"


def _held(state: LoopState) -> tuple[str, str]:
    """What a run is that somebody holds up, and the same in a sentence; nothing of another."""
    interrupted, paused = state.steering.interrupted, state.steering.paused
    if interrupted is not None:
        also = " It is paused, too." if paused is not None else ""
        text = f"Waits for instructions (send, or resume to go on without): interrupted{held_by(interrupted)}."
        return "interrupted", f"{text}{also}"
    if paused is not None:
        return "paused", f"Waits for somebody who resumes it: paused{held_by(paused)}."
    return "", ""


def phase_of(state: LoopState) -> tuple[str, str]:
    """What the run does, and the same in a sentence."""
    held, why_held = _held(state)
    if state.failure is None and held and not state.in_flight and state.root.stage != "done":
        calls = _waits_of(state)
        return calls[0] or held, f"{why_held} {calls[1]}".strip()
    phase, why = _phase_of(state)
    if held and phase not in ("failed", "finished"):
        why = f"{why} Then: {why_held}"
    return phase, why


def _waits_of(state: LoopState) -> tuple[str, str]:
    """For whose word calls wait, and the same in sentences."""
    waiting, unknown = _named_all(state.waiting_calls()), _named_all(state.unknown_calls())
    decision = f"Waits for a decision about {waiting}. " if waiting else ""
    outcome = f"Waits for somebody who says what became of {unknown}." if unknown else ""
    phase = "waiting for approval" if waiting else "waiting for an outcome" if unknown else ""
    return phase, (decision + outcome).strip()


def _phase_of(state: LoopState) -> tuple[str, str]:
    if state.failure is not None:
        return "failed", f"{state.failure.type}: {state.failure.message}"
    if state.root.stage in ("done", "listening"):
        return _between(state)
    phase, why = _waits_of(state)
    if phase and not state.in_flight:
        return phase, why
    waiting = _named_all(state.waiting_calls())
    if state.snapshot is None:
        return "starting", f"A worker takes the snapshot of agent {state.agent_name!r}."
    running = f"Runs {', '.join(sorted(state.in_flight)) or 'its next workflow task'}."
    if (declined := _declined_of(state)) and len(declined) == len(state.in_flight):
        running = f"Waits for a worker: {declined[0].reason}"
    also = f" Also waits for a decision about {waiting}." if waiting else ""
    if state.root.stage == "asking" and not waiting:
        name = state.definition(state.root).name
        return "calling model", f"Turn {state.root.turn + 1}: waits for the model of {name}."
    return _PHASES.get(state.root.stage, "running tools"), f"{running}{also}"


def _between(state: LoopState) -> tuple[str, str]:
    """What a run does that has nothing more to do, for now or for ever."""
    if state.thread is None:
        stopped = state.root.final is None
        return "finished", "The run was stopped between two turns." if stopped else "The run has its result."
    if state.root.stage == "done":
        return "finished", "The thread was closed."
    return "waiting for a message", words_of(state.thread)


def _named_all(calls: list[Call]) -> str:
    return ", ".join(f"{call.id} ({call.name})" for call in calls)


_PHASES = {
    "remembering": "reading its session",
    "saving": "writing to its session",
    "screening": "checking guardrails",
    "admitting": "checking guardrails",
    "holding": "checking guardrails",
    "reviewing": "checking guardrails",
    "starting": "running hooks",
    "announcing": "running hooks",
    "ending": "running hooks",
    "handing off": "handing off",
    "filtering": "handing off",
    "recovering": "handling an error",
}


def _calls(state: LoopState) -> list[CallView]:
    """The open calls; those that do not fit a page are named without arguments and output."""
    views: list[CallView] = []
    size = 0
    for frame in state.frames():
        for call in in_output_order(frame.calls):
            view = _call(frame, call)
            size += len(view.model_dump_json())
            if size > MAX_PAGE_BYTES:
                view = view.model_copy(update={"item": _named(call), "output": None})
            views.append(view)
    return views


def _named(call: Call) -> dict[str, Any]:
    return {name: value for name, value in call.item.items() if name in ("type", "name", "call_id")}


def _call(frame: Frame, call: Call) -> CallView:
    extras: dict[str, Any] = {"path": frame.path} if frame.path else {}
    if call.output is not None:
        extras |= {"output": call.output, "output_is_value": call.output_is_value}
    return CallView(
        call_id=call.id,
        tool=call.name,
        phase=call.phase,
        digest=call.digest,
        item=call.item,
        agent=frame.agent,
        **extras,
    )


def told(decision: Decision) -> str:
    """A decision in a line."""
    verb = "approved" if decision.approve else "rejected"
    by = f" by {decision.by}" if decision.by else ""
    reason = f": {short(decision.reason, SHOWN_CHARACTERS)}" if decision.reason else ""
    return f"{verb}{by} at {time_of(decision.at)}{reason}"


def told_outcome(said: Resolution) -> str:
    """What was said of an outcome, in a line."""
    by = f" says {said.by}" if said.by else ""
    result = f": {short(said.result, SHOWN_CHARACTERS)}" if said.result else ""
    return f"{said.outcome.replace('_', ' ')},{by} at {time_of(said.at)}{result}"


def time_of(seconds: float) -> str:
    """A moment as ISO 8601, UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
