"""`perdure export`: the whole conversation of a run as one document, JSON or Markdown."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from perdure.cli.conversation import item_text
from perdure.cli.ending import ExitCode
from perdure.cli.forms import Form
from perdure.cli.screen import Screen
from perdure.cli.standing import agents_text, began_text, standing_text, took_text, turns_text, usage_text
from perdure.client.account import Account, account_of, call_ids
from perdure.client.host import Host
from perdure.client.timing import StepTimes
from perdure.contracts.run import PageEntry
from perdure.contracts.tokens import Tokens
from perdure.errors import UserError
from perdure.markdown import fenced, laid_out, quoted, safe
from perdure.redaction import redacted
from perdure.usage import cost_in_words

FORMAT = "perdure-export/1"  # changes with what a reader of the JSON has to know


async def export_run(screen: Screen, run_id: str, form: Form | None, output: Path | None) -> int:
    """Writes a run's conversation to a file, or to standard output.

    Args:
        screen: Where it is said what was written.
        run_id: The run, or `thread/NAME`.
        form: By default what the file's name says, else Markdown.
        output: The file.

    Raises:
        UserError: The file cannot be written.
    """
    host = Host.current()
    account = await host.call(account_of(host, run_id, screen.progress.tell))
    wanted = form or (Form.JSON if output is not None and output.suffix == ".json" else Form.MARKDOWN)
    text = redacted(json.dumps(document_of(account), indent=2)) if wanted is Form.JSON else markdown_of(account)
    screen.progress.end()
    if output is None:
        sys.stdout.write(text + "\n")
    else:
        _write(output, text + "\n")
        screen.note(f"{output}: {len(account.said.entries)} items of run {run_id}, {len(text.encode()) + 1} bytes")
    return ExitCode.OK


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{str(output)!r} cannot be written: {error}. Give another file.") from error


def document_of(account: Account) -> dict[str, Any]:
    """The account as JSON; times are ISO 8601, UTC, and null where nothing tells."""
    status = account.status
    entries = zip(account.said.entries, call_ids(account.said.entries), strict=True)
    return {
        "format": FORMAT,
        "run_id": account.run_id,
        "thread": account.thread,
        "agent": status.agent,
        "started_with": account.started_with,
        "execution": account.execution,
        "began": account.began,
        "ended": account.ended or None,
        "queue": account.queue,
        "url": account.url,
        "usage": _tokens(Tokens.of(account.status.paid)),
        "cost_usd": account.status.paid.cost_usd,
        "status": status.model_dump(mode="json"),
        "conversation": [
            {"at": account.at(entry, call_id) or None, "call": call_id or None} | entry.model_dump(mode="json")
            for entry, call_id in entries
        ],
        "answers": [_answer(account, turn) for turn in sorted(each.turn for each in account.said.responses)],
        "steps": [asdict(step) for step in account.steps],
    }


def _answer(account: Account, turn: int) -> dict[str, Any]:
    response = next(each for each in account.said.responses if each.turn == turn)
    step = account.asked.get(turn)
    return {
        "turn": turn,
        "agent": response.agent,
        "asked": (step.started or None) if step is not None else None,
        "answered": (step.ended or None) if step is not None else None,
        "attempts": step.attempts if step is not None else None,
        "response_id": response.response_id,
        "usage": _tokens(response.usage),
    }


def _tokens(used: Tokens) -> dict[str, Any]:
    return used.model_dump(mode="json", exclude_defaults=False)


def markdown_of(account: Account) -> str:
    """The account as a person reads it."""
    lines = [f"# {'Thread' if account.thread is not None else 'Run'} {safe(account.thread or account.run_id)}", ""]
    lines += ["| | |", "| --- | --- |"]
    fields = {
        "agent": agents_text(account),
        "status": standing_text(account),
        "began": began_text(account),
        "turns": turns_text(account),
        "usage": usage_text(account.status.paid),
        "cost": cost_in_words(account.status.paid),
    }
    lines += [f"| {name} | {safe(value)} |" for name, value in fields.items()]
    lines += [f"| Temporal UI | <{account.url}> |"] if account.url else []
    lines += ["", "## Conversation", "", *_conversation(account)]
    shown = {*call_ids(account.said.entries)}
    for title, values in (
        ("Decided", [f"{each} {told}" for each, told in account.status.decided.items() if each not in shown]),
        ("Warnings", account.status.warnings),
        ("Messages that changed nothing", account.status.ignored),
    ):
        lines += [f"## {title}", "", *(f"- {safe(value)}" for value in values), ""] if values else []
    return "\n".join([*lines, "## Steps", "", *_steps(account.steps)])


def _conversation(account: Account) -> Iterator[str]:
    answers = {response.turn: response for response in account.said.responses}
    turn = 0
    for entry, call_id in zip(account.said.entries, call_ids(account.said.entries), strict=True):
        at = account.at(entry, call_id)
        if entry.kind != "input" and entry.turn > turn:
            turn = entry.turn
            if turn in answers:
                used = answers[turn].usage
                cost = "" if used.usd is None else f", {cost_in_words(used.usage())}"
                yield f"### Turn {turn}: {safe(answers[turn].agent)}{_time(at)}"
                yield ""
                yield f"{used.input} tokens in, {used.output} out{safe(cost)}"
                yield ""
        yield from _entry(account, entry, call_id, at)
        yield ""
    for call in account.status.calls:
        if call.output is not None:
            yield f"**output** of {call.call_id}, while the turn is open"
            yield ""
            yield fenced(laid_out(item_text(call.output)))
            yield ""


def _entry(account: Account, entry: PageEntry, call_id: str, at: str) -> Iterator[str]:
    item = entry.item
    kind = item.get("type", "message")
    if entry.kind == "handed_off":
        yield f"**handoff**: {safe(entry.agent)} hands over to {safe(entry.target)}"
    elif kind == "function_call":
        what = "handoff" if entry.kind == "handoff" else f"call {call_id}".strip()
        yield f"**{what}**: {safe(str(item.get('name')))}"
        if (given := str(item.get("arguments", ""))) not in ("", "{}"):
            yield ""
            yield fenced(laid_out(given))
        yield from _decision(account, call_id)
    elif kind == "function_call_output":
        yield f"**output {call_id}**".replace(" **", "**") + _time(at)
        yield ""
        yield fenced(laid_out(item_text(entry.whole or item)), "text")
    else:
        yield f"**{safe(str(item.get('role', kind)))}**{_time(at) if entry.kind == 'input' else ''}"
        yield ""
        yield quoted(item_text(item))


def _decision(account: Account, call_id: str) -> Iterator[str]:
    if call_id in account.status.decided:
        yield ""
        yield safe(account.status.decided[call_id])
    elif any(each.call_id == call_id for each in account.status.approvals):
        yield ""
        yield "*waits for a decision*"


def _time(at: str) -> str:
    return f" · {at[:19].replace('T', ' ')}" if at else ""


def _steps(steps: list[StepTimes]) -> Iterator[str]:
    yield "| scheduled (UTC) | took | step | attempts | end |"
    yield "| --- | --- | --- | --- | --- |"
    for step in steps:
        took = took_text(step.scheduled, step.ended) if step.ended else ""
        what = safe(f"{step.activity} {step.summary}")
        end = safe(f"{step.outcome or 'goes on'}{f': {step.failure}' if step.failure else ''}")
        yield f"| {step.scheduled[:19].replace('T', ' ')} | {took} | {what} | {step.attempts or ''} | {end} |"
