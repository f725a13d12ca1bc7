"""A run's page in the Temporal UI: its current details, and the lines of its waits in the timeline."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any, TypeVar

from perdure.contracts.messages import ApprovalView, UnknownView
from perdure.contracts.told import InputView
from perdure.item_json import said_text
from perdure.items import is_reference
from perdure.loop.records import Entry
from perdure.loop.sending import unsaid
from perdure.loop.state import LoopState
from perdure.markdown import fenced, laid_out, quoted, safe, short
from perdure.usage import cost_in_words

from .pages import input_views
from .views import SHOWN_CHARACTERS, approvals_of, held_by, phase_of, told, told_outcome, unknown_of

_ARGUMENT_CHARACTERS = 16_000  # of all calls together: the UI has its page rendered by an address that holds it
_APPROVALS_SHOWN = 20  # queries tell all; likewise of the others
_INPUTS_SHOWN = 10
_DECIDED_SHOWN = 10
_WAITING_INPUT = "Sent to the run, {} in all, for its next model request"

_T = TypeVar("_T")


def details_of(state: LoopState, ignored: list[str], run: str | None = None, *, goal: str = "") -> str:
    """The run's current details in Markdown; they cost what they show, never what the run has been through.

    Args:
        state: The run's.
        ignored: The messages that changed nothing.
        run: What messages to the run are to name it by; `None` if they need not.
        goal: What the run is for, where its input does not say it any more.
    """
    wanted = goal_of(state, goal)
    lines = [*_head_lines(state), *(["", "Goal:", "", quoted(wanted)] if wanted else []), *_held_lines(state, run)]
    waiting_calls, asked = approvals_of(state)[:_APPROVALS_SHOWN], unknown_of(state)
    each = _ARGUMENT_CHARACTERS // (len(waiting_calls) + min(len(asked), _APPROVALS_SHOWN) or 1)
    for approval in waiting_calls:
        lines += ["", *_approval_lines(approval, each, run)]
    for unknown in asked[:_APPROVALS_SHOWN]:
        lines += ["", *_unknown_lines(unknown, each, run)]
    said = _last_message(state)
    is_goal = short(said, SHOWN_CHARACTERS) == wanted
    lines += ["", "Last message:", "", quoted(said, SHOWN_CHARACTERS)] if said and not is_goal else []
    waiting = input_views(state.root)
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


def goal_of(state: LoopState, known: str = "") -> str:
    """What the run is for, the last message of its input; `known` of one whose input has been sealed."""
    record = state.root.record
    for entry in reversed(record.entries):
        if entry.kind == "input":
            return short(_said_in(entry), SHOWN_CHARACTERS) or known
    return known


def _head_lines(state: LoopState) -> list[str]:
    phase, why = phase_of(state)
    root, used = state.root, state.paid
    limit = f" of {root.max_turns}" if root.max_turns is not None else ""
    agent = root.agent if state.snapshot is None or not root.agent else state.definition(root).name
    begun = f" (begun with {safe(state.agent_name)})" if agent != state.agent_name else ""
    requests = f"{used.requests} request{'' if used.requests == 1 else 's'}"
    return [
        f"**{safe(agent or state.agent_name)}**{begun} · {phase} · turn {root.turn - root.begun}{limit} · "
        f"{requests}, {used.input_tokens} tokens in, {used.output_tokens} out, {cost_in_words(used)}",
        "",
        safe(why),
    ]


def _last(said: dict[str, _T]) -> list[tuple[str, _T]]:
    newest = list(islice(reversed(said.items()), _DECIDED_SHOWN))
    return newest[::-1]


def _sent(sent: InputView) -> str:
    text = " ".join(map(said_text, sent.items)).strip()
    when = "" if sent.when == "next_turn" else f"({sent.when.replace('_', ' ')})"
    who = " ".join(filter(None, [sent.by, when]))
    return short(f"{f'{who}: ' if who else ''}{text or f'{len(sent.items)} items'}", SHOWN_CHARACTERS)


def _held_lines(state: LoopState, run: str | None) -> list[str]:
    """What lets a run go on that somebody holds up."""
    steering, resume = state.steering, json.dumps({"by": "your name"} | _addressed(run), indent=2)
    lines: list[str] = []
    if steering.interrupted is not None:
        send = {"message_id": "a new name", "input": "what to do", "by": "your name"} | _addressed(run)
        lines += ["", f"### {safe('Interrupted' + held_by(steering.interrupted))}", ""]
        lines += [
            "It waits for instructions. To give them, send the update `send` with this input:",
            "",
            fenced(json.dumps(send, indent=2)),
        ]
    if steering.paused is not None:
        lines += ["", f"### {safe('Paused' + held_by(steering.paused))}"]
    if lines:
        what = "To let it go on where it is, send the signal `resume` with this input:"
        lines += ["", what, "", fenced(resume)]
    return lines


def _approval_lines(approval: ApprovalView, characters: int, run: str | None) -> list[str]:
    message = {"call_id": approval.call_id, "by": "your name", "digest": approval.digest} | _addressed(run)
    return [
        f"### Waits for a decision: {safe(approval.tool)} ({approval.call_id})",
        "",
        f"{safe(approval.agent)} asks to call it with these arguments:",
        "",
        fenced(short(laid_out(approval.arguments), characters)),
        "",
        "**To approve**, send the signal `approve` with this input, **to reject**, the signal `reject` (with "
        '`"reason": "…"`, if you like: it is told to the model). *More Actions*, *Send a Signal* has both.',
        "",
        fenced(json.dumps(message, indent=2)),
        "",
        f"It waits since {approval.since}. If nobody decides, it is rejected at {approval.expires}.",
    ]


def _addressed(run: str | None) -> dict[str, str]:
    return {} if run is None else {"run": run}


def _unknown_lines(unknown: UnknownView, characters: int, run: str | None) -> list[str]:
    message = {"call_id": unknown.call_id, "outcome": "happened", "by": "your name", "digest": unknown.digest}
    return [
        f"### May or may not have happened: {safe(unknown.tool)} ({unknown.call_id})",
        "",
        safe(unknown.why),
        "",
        "It is not repeated. Arguments:",
        "",
        fenced(short(laid_out(unknown.arguments), characters)),
        "",
        "Find out, then send the signal `resolve` with this input. `outcome` is `happened` (with a `result`, if you "
        "know what came of it), `not_happened` or `retry`:",
        "",
        fenced(json.dumps(message | _addressed(run), indent=2)),
    ]


def _last_message(state: LoopState) -> str:
    for entry in reversed(state.root.record.entries[-20:]):
        text = _said_in(entry) if entry.kind in ("input", "added", "answer", "interrupted") else ""
        if text:
            return text
    return ""


def _said_in(entry: Entry) -> str:
    """The text of an entry that is a message."""
    if b'"content"' not in entry.data:
        return ""  # most entries; parsing them would cost more than the rest of the page
    item: dict[str, Any] = json.loads(entry.data)
    if item.get("type", "message") != "message" or is_reference(item):
        return ""
    return said_text(item)
