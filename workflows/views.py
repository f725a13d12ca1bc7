"""What a run shows: status, approvals, and its page in the Temporal UI."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, cast

from perdure.contracts.frozen import REQUESTS_TOLD, requests_of
from perdure.contracts.messages import ApprovalView, CallView, StatusView
from perdure.contracts.tokens import Tokens
from perdure.items import is_reference, message_text
from perdure.limits import MAX_PAGE_BYTES
from perdure.loop.records import Decision
from perdure.loop.state import Call, Frame, LoopState
from perdure.loop.turn import in_output_order

from .pages import guardrail_view, kept_view

_SHOWN_CHARACTERS = 600
_ARGUMENT_CHARACTERS = 8000
_APPROVALS_SHOWN = 20  # in the page of the Temporal UI; queries tell all


def approvals_of(state: LoopState) -> list[ApprovalView]:
    """The calls that wait for a decision, in call order; arguments are shortened where they fill a page together."""
    waiting = [(frame, call) for frame in state.frames() for call in frame.calls if call.phase == "waiting"]
    each = max(MAX_PAGE_BYTES // (len(waiting) or 1) // 8, _SHOWN_CHARACTERS)  # a character takes 6 bytes at most
    return [
        ApprovalView(
            call_id=call.id,
            tool=call.name,
            arguments=_short(call.arguments or _head(call), each),
            agent=frame.agent,
            digest=call.digest,
            since=_time(call.since),
            expires=_time(call.since + state.approval_timeout_seconds),
        )
        for frame, call in waiting
    ]


def _head(call: Call) -> str:
    return call.item["perdure_blob"]["head"] if is_reference(call.item) else ""


def status_of(state: LoopState, ignored: list[str]) -> StatusView:
    """What the run does, and why."""
    phase, why = _phase(state)
    root = state.root
    return StatusView(
        agent=root.agent or state.agent_name,
        phase=phase,
        why=why,
        turn=root.turn,
        max_turns=root.max_turns,
        items=root.record.count,
        usage=Tokens.of(state.usage),
        calls=_calls(state),
        approvals=approvals_of(state),
        decided={call_id: _told(decision) for call_id, decision in state.decided.items()},
        unknown_outcomes=list(state.unknown_outcomes),
        guardrails=[guardrail_view(each) for each in root.guardrails],
        input_is_text=root.input_is_text,
        requests=requests_of(state.usage, REQUESTS_TOLD),
        shown_epoch=root.shown.epoch,
        kept=None if root.kept is None else kept_view(root.kept),
        omits_reasoning_ids=root.rules.omit_reasoning_ids,
        context=state.context,
        warnings=list(state.warnings),
        ignored=list(ignored),
    )


def _phase(state: LoopState) -> tuple[str, str]:
    if state.failure is not None:
        return "failed", f"{state.failure.type}: {state.failure.message}"
    if state.root.stage == "done":
        return "finished", "The run has its result."
    waiting = ", ".join(f"{call.id} ({call.name})" for call in state.waiting_calls())
    if waiting and not state.in_flight:
        return "waiting for approval", f"Waits for a decision about {waiting}."
    if state.snapshot is None:
        return "starting", f"A worker takes the snapshot of agent {state.agent_name!r}."
    running = ", ".join(sorted(state.in_flight)) or "its next workflow task"
    also = f" Also waits for a decision about {waiting}." if waiting else ""
    if state.root.stage == "asking" and not waiting:
        name = state.definition(state.root).name
        return "calling model", f"Turn {state.root.turn + 1}: waits for the model of {name}."
    return _PHASES.get(state.root.stage, "running tools"), f"Runs {running}.{also}"


_PHASES = {
    "screening": "checking guardrails",
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


def _told(decision: Decision) -> str:
    verb = "approved" if decision.approve else "rejected"
    by = f" by {decision.by}" if decision.by else ""
    reason = f": {_short(decision.reason, _SHOWN_CHARACTERS)}" if decision.reason else ""
    return f"{verb}{by} at {_time(decision.at)}{reason}"


def timer_summary(state: LoopState, call_id: str) -> str:
    """The line of an approval's timer in the timeline."""
    call = state.call(call_id)
    return f"approval {call_id}: {call.name}" if call else f"approval {call_id}"


def details_of(state: LoopState, ignored: list[str]) -> str:
    """The run's current details in Markdown."""
    status = status_of(state, ignored)
    used = status.usage
    limit = f" of {status.max_turns}" if status.max_turns is not None else ""
    lines = [
        f"**{_safe(status.agent)}** · {status.phase} · turn {status.turn}{limit} · {used.requests} requests, "
        f"{used.input} tokens in, {used.output} out",
        "",
        _safe(status.why),
    ]
    for approval in status.approvals[:_APPROVALS_SHOWN]:
        lines += ["", *_approval_lines(approval)]
    said = _last_message(state)
    lines += ["", "Last message:", "", _quoted(said)] if said else []
    for title, values in (
        ("Decided", [f"{call_id} {told}" for call_id, told in status.decided.items()][-10:]),
        ("Outcome unknown, look before repeating", status.unknown_outcomes),
        ("Warnings", status.warnings),
        ("Messages that changed nothing", status.ignored),
    ):
        lines += ["", f"{title}:", "", *(f"- {_safe(value)}" for value in values)] if values else []
    return "\n".join(lines)


def _approval_lines(approval: ApprovalView) -> list[str]:
    message = json.dumps({"call_id": approval.call_id, "by": "your name", "digest": approval.digest})
    return [
        f"### Waits for a decision: {_safe(approval.tool)} ({approval.call_id})",
        "",
        f"since {approval.since}, until {approval.expires}; arguments:",
        "",
        _fenced(_short(approval.arguments, _ARGUMENT_CHARACTERS)),
        "",
        "To approve, send the signal `approve` (or `reject`, with a `reason` if you like) with this input:",
        "",
        _fenced(message),
    ]


def _last_message(state: LoopState) -> str:
    for entry in reversed(state.root.record.entries[-20:]):
        if entry.kind not in ("input", "answer") or b'"content"' not in entry.data:
            continue  # most entries; parsing them would cost more than the rest of the page
        item: dict[str, Any] = json.loads(entry.data)
        if item.get("type", "message") == "message" and not is_reference(item):
            content = item.get("content")
            text = content if isinstance(content, str) else message_text(item) or _input_text(content)
            if text:
                return text
    return ""


def _input_text(content: Any) -> str:
    parts = cast("list[Any]", content) if isinstance(content, list) else []
    texts = [cast("dict[str, Any]", part).get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _fenced(text: str) -> str:
    return f"```json\n{text.replace('```', '` ` `')}\n```"


def _quoted(text: str) -> str:
    return "\n".join(f"> {_safe(line)}" for line in _short(text, _SHOWN_CHARACTERS).splitlines())


def _short(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]}… ({len(text)} characters)"


def _safe(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    escaped = "".join(f"\\{character}" if character in "\\`*_[]<>#|" else character for character in text)
    return escaped.replace("\n", " ")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
