"""A run's page in the Temporal UI: its current details, and the lines of its waits in the timeline."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any, TypeVar, cast

from perdure.contracts.messages import ApprovalView, UnknownView
from perdure.contracts.told import InputView
from perdure.items import is_reference, message_text
from perdure.loop.sending import unsaid
from perdure.loop.state import LoopState
from perdure.usage import cost_in_words

from .markdown import fenced, quoted, safe, short
from .pages import input_views
from .views import SHOWN_CHARACTERS, approvals_of, held_by, phase_of, told, told_outcome, unknown_of

_ARGUMENT_CHARACTERS = 8000
_APPROVALS_SHOWN = 20  # queries tell all; likewise of the others
_INPUTS_SHOWN = 10
_DECIDED_SHOWN = 10
_WAITING_INPUT = "Sent to the run, {} in all, for its next model request"

_T = TypeVar("_T")


def timer_summary(state: LoopState, call_id: str) -> str:
    """The line of a wait's timer in the timeline."""
    call = state.call(call_id)
    if call is None:
        return f"approval {call_id}"
    return f"{'outcome' if call.phase == 'unknown' else 'approval'} {call_id}: {call.name}"


def details_of(state: LoopState, ignored: list[str], run: str | None = None) -> str:
    """The run's current details in Markdown; they cost what they show, never what the run has been through.

    Args:
        state: The run's.
        ignored: The messages that changed nothing.
        run: What messages to the run are to name it by; `None` if they need not.
    """
    phase, why = phase_of(state)
    root, used = state.root, state.paid
    limit = f" of {root.max_turns}" if root.max_turns is not None else ""
    lines = [
        f"**{safe(root.agent or state.agent_name)}** · {phase} · turn {root.turn - root.begun}{limit} · "
        f"{used.requests} requests, {used.input_tokens} tokens in, {used.output_tokens} out, {cost_in_words(used)}",
        "",
        safe(why),
    ]
    lines += _held_lines(state, run)
    for approval in approvals_of(state)[:_APPROVALS_SHOWN]:
        lines += ["", *_approval_lines(approval, run)]
    asked = unknown_of(state)
    for unknown in asked[:_APPROVALS_SHOWN]:
        lines += ["", *_unknown_lines(unknown, run)]
    said = _last_message(state)
    lines += ["", "Last message:", "", quoted(said, SHOWN_CHARACTERS)] if said else []
    waiting = input_views(root)
    open_calls = {each.call_id for each in asked}
    for title, values in (
        (_WAITING_INPUT.format(len(waiting)), [_sent(each) for each in waiting[:_INPUTS_SHOWN]]),
        ("Decided", [f"{call_id} {told(decision)}" for call_id, decision in _last(state.decided)]),
        ("Outcomes told", [f"{call_id} {told_outcome(said)}" for call_id, said in _last(state.resolved)]),
        ("Outcome unknown, look before repeating", [each for each in state.unknown_outcomes if each not in open_calls]),
        ("Warnings", [*state.warnings, *filter(None, [unsaid(state)])]),
        ("Messages that changed nothing", ignored),
    ):
        lines += ["", f"{title}:", "", *(f"- {safe(value)}" for value in values)] if values else []
    return "\n".join(lines)


def _last(said: dict[str, _T]) -> list[tuple[str, _T]]:
    newest = list(islice(reversed(said.items()), _DECIDED_SHOWN))
    return newest[::-1]


def _sent(sent: InputView) -> str:
    text = " ".join(_input_text(item.get("content")) for item in sent.items).strip()
    when = "" if sent.when == "next_turn" else f"({sent.when.replace('_', ' ')})"
    who = " ".join(filter(None, [sent.by, when]))
    return short(f"{f'{who}: ' if who else ''}{text or f'{len(sent.items)} items'}", SHOWN_CHARACTERS)


def _held_lines(state: LoopState, run: str | None) -> list[str]:
    """What lets a run go on that somebody holds up."""
    steering, resume = state.steering, json.dumps({"by": "your name"} | _addressed(run))
    lines: list[str] = []
    if steering.interrupted is not None:
        send = {"message_id": "a new name", "input": "what to do", "by": "your name"} | _addressed(run)
        lines += ["", f"### Interrupted{safe(held_by(steering.interrupted))}", ""]
        lines += [
            "It waits for instructions. To give them, send the update `send` with this input:",
            "",
            fenced(json.dumps(send)),
        ]
    if steering.paused is not None:
        lines += ["", f"### Paused{safe(held_by(steering.paused))}"]
    if lines:
        what = "To let it go on where it is, send the signal `resume` with this input:"
        lines += ["", what, "", fenced(resume)]
    return lines


def _approval_lines(approval: ApprovalView, run: str | None) -> list[str]:
    message = {"call_id": approval.call_id, "by": "your name", "digest": approval.digest} | _addressed(run)
    return [
        f"### Waits for a decision: {safe(approval.tool)} ({approval.call_id})",
        "",
        f"since {approval.since}, until {approval.expires}; arguments:",
        "",
        fenced(short(approval.arguments, _ARGUMENT_CHARACTERS)),
        "",
        "To approve, send the signal `approve` (or `reject`, with a `reason` if you like) with this input:",
        "",
        fenced(json.dumps(message)),
    ]


def _addressed(run: str | None) -> dict[str, str]:
    return {} if run is None else {"run": run}


def _unknown_lines(unknown: UnknownView, run: str | None) -> list[str]:
    message = {"call_id": unknown.call_id, "outcome": "happened", "by": "your name", "digest": unknown.digest}
    return [
        f"### May or may not have happened: {safe(unknown.tool)} ({unknown.call_id})",
        "",
        safe(unknown.why),
        "",
        "It is not repeated. Arguments:",
        "",
        fenced(short(unknown.arguments, _ARGUMENT_CHARACTERS)),
        "",
        "Find out, then send the signal `resolve` with this input. `outcome` is `happened` (with a `result`, if you "
        "know what came of it), `not_happened` or `retry`:",
        "",
        fenced(json.dumps(message | _addressed(run))),
    ]


def _last_message(state: LoopState) -> str:
    for entry in reversed(state.root.record.entries[-20:]):
        if entry.kind not in ("input", "added", "answer", "interrupted") or b'"content"' not in entry.data:
            continue  # most entries; parsing them would cost more than the rest of the page
        item: dict[str, Any] = json.loads(entry.data)
        if item.get("type", "message") == "message" and not is_reference(item):
            content = item.get("content")
            text = message_text(item) or _input_text(content)
            if text:
                return text
    return ""


def _input_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = cast("list[Any]", content) if isinstance(content, list) else []
    texts = [cast("dict[str, Any]", part).get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))
