"""What a run shows: status, approvals, pages of the transcript, and its page in the Temporal UI."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, cast

from perdure.contracts.messages import ApprovalView, CallView, StatusView
from perdure.contracts.run import PageEntry, PageRequest, ResponseView, RunOutcome, Tokens, TranscriptPage
from perdure.items import is_reference, message_text
from perdure.limits import MAX_INLINE_ITEM_BYTES, MAX_PAGE_BYTES, MAX_TAIL_BYTES
from perdure.loop.state import Call, Decision, Entry, LoopState, ResponseRecord

_SHOWN_CHARACTERS = 600
_ARGUMENT_CHARACTERS = 8000
_APPROVALS_SHOWN = 20  # in the page of the Temporal UI; queries tell all


def page_of(state: LoopState, wanted: PageRequest, limit: int) -> TranscriptPage:
    """The items asked for, as many as the limit in bytes holds but at least one."""
    entries = state.transcript.entries
    first = min(max(wanted.start, 0), len(entries))
    upto = len(entries) if wanted.upto is None else min(wanted.upto, len(entries))
    end, size = first, 0
    while end < upto and (end == first or size + len(entries[end].data) <= limit):
        size += len(entries[end].data)
        end += 1
    return _page(state, first, end)


def outcome_of(state: LoopState) -> RunOutcome:
    """How the run ended, or how far it came, with the last items that 256 KiB hold."""
    entries = state.transcript.entries
    first, size = len(entries), 0
    while first > 0 and size + len(entries[first - 1].data) <= MAX_TAIL_BYTES:
        first -= 1
        size += len(entries[first].data)
    extras: dict[str, Any] = {}
    if state.final_output is not None and len(state.final_output.encode()) <= MAX_INLINE_ITEM_BYTES:
        extras["final_output"] = state.final_output
    if state.context is not None:
        extras["context"] = state.context
    agent = state.agent or state.agent_name
    tail = _page(state, first, len(entries))
    return RunOutcome(agent=agent, turns=state.turn, usage=Tokens.of(state.usage), tail=tail, **extras)


def _page(state: LoopState, first: int, end: int) -> TranscriptPage:
    entries = state.transcript.entries
    return TranscriptPage(
        first=first,
        entries=[_entry(entry) for entry in entries[first:end]],
        responses=[_response(record) for record in state.responses if _belongs(record, first, end, len(entries))],
        count=len(entries),
        before=state.transcript.digest_at(first),
        digest=state.transcript.digest_at(len(entries)),
    )


def _belongs(record: ResponseRecord, first: int, end: int, count: int) -> bool:
    """Whether a response is told with this page; one without items at the very end goes with the last page."""
    return first <= record.first < end or (record.first == end == count)


def _entry(entry: Entry) -> PageEntry:
    return PageEntry(item=json.loads(entry.data), kind=entry.kind, agent=entry.agent, turn=entry.turn)


def _response(record: ResponseRecord) -> ResponseView:
    return ResponseView(
        turn=record.turn,
        agent=record.agent,
        first=record.first,
        count=record.count,
        usage=Tokens.of(record.usage),
        response_id=record.response_id,
        request_id=record.request_id,
    )


def approvals_of(state: LoopState) -> list[ApprovalView]:
    """The calls that wait for a decision, in call order; arguments are shortened where they fill a page together."""
    waiting = state.waiting_calls()
    each = max(MAX_PAGE_BYTES // (len(waiting) or 1) // 8, _SHOWN_CHARACTERS)  # a character takes 6 bytes at most
    return [
        ApprovalView(
            call_id=call.id,
            tool=call.tool.name,
            arguments=_short(call.arguments or _head(call), each),
            agent=state.agent,
            digest=call.digest,
            since=_time(call.since),
            expires=_time(call.since + state.approval_timeout_seconds),
        )
        for call in waiting
    ]


def _head(call: Call) -> str:
    return call.item["perdure_blob"]["head"] if is_reference(call.item) else ""


def status_of(state: LoopState, ignored: list[str]) -> StatusView:
    """What the run does, and why."""
    phase, why = _phase(state)
    return StatusView(
        agent=state.agent or state.agent_name,
        phase=phase,
        why=why,
        turn=state.turn,
        max_turns=state.max_turns,
        items=len(state.transcript.entries),
        usage=Tokens.of(state.usage),
        calls=_calls(state),
        approvals=approvals_of(state),
        decided={call_id: _told(decision) for call_id, decision in state.decided.items()},
        unknown_outcomes=list(state.unknown_outcomes),
        warnings=list(state.warnings),
        ignored=list(ignored),
    )


def _phase(state: LoopState) -> tuple[str, str]:
    if state.failure is not None:
        return "failed", f"{state.failure.type}: {state.failure.message}"
    if state.finished:
        return "finished", "The run has its result."
    waiting = ", ".join(f"{call.id} ({call.tool.name})" for call in state.waiting_calls())
    if state.calls and waiting and not state.in_flight:
        return "waiting for approval", f"Waits for a decision about {waiting}."
    if state.calls:
        running = ", ".join(sorted(state.in_flight)) or "its next workflow task"
        return "running tools", f"Runs {running}." + (f" Also waits for a decision about {waiting}." if waiting else "")
    if state.snapshot is None:
        return "starting", f"A worker takes the snapshot of agent {state.agent_name!r}."
    return "calling model", f"Turn {state.turn + 1}: waits for the model of {state.definition.name}."


def _calls(state: LoopState) -> list[CallView]:
    """The open turn's calls; those that do not fit a page are named without arguments and output."""
    views: list[CallView] = []
    size = 0
    for call in state.calls:
        view = _call(call)
        size += len(view.model_dump_json())
        views.append(view if size <= MAX_PAGE_BYTES else view.model_copy(update={"item": _named(call), "output": None}))
    return views


def _named(call: Call) -> dict[str, Any]:
    return {name: value for name, value in call.item.items() if name in ("type", "name", "call_id")}


def _call(call: Call) -> CallView:
    extras: dict[str, Any] = {}
    if call.output is not None:
        extras = {"output": call.output, "output_is_value": call.output_is_value}
    return CallView(
        call_id=call.id, tool=call.tool.name, phase=call.phase, digest=call.digest, item=call.item, **extras
    )


def _told(decision: Decision) -> str:
    verb = "approved" if decision.approve else "rejected"
    by = f" by {decision.by}" if decision.by else ""
    reason = f": {_short(decision.reason, _SHOWN_CHARACTERS)}" if decision.reason else ""
    return f"{verb}{by} at {_time(decision.at)}{reason}"


def timer_summary(state: LoopState, call_id: str) -> str:
    """The line of an approval's timer in the timeline."""
    call = state.call(call_id)
    return f"approval {call_id}: {call.tool.name}" if call else f"approval {call_id}"


def details_of(state: LoopState, ignored: list[str]) -> str:
    """The run's current details in Markdown."""
    status = status_of(state, ignored)
    used = status.usage
    limit = f" of {state.max_turns}" if state.max_turns is not None else ""
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
    for entry in reversed(state.transcript.entries[-20:]):
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
