"""Looks at runs: the list, one run, the calls that wait."""

from __future__ import annotations

import asyncio
import json
import shlex
from typing import Any

from pydantic_core import to_jsonable_python
from temporalio.client import WorkflowExecutionDescription

from perdure.cli.conversation import conversation_lines, raw_lines
from perdure.cli.ending import ExitCode
from perdure.cli.screen import Line, Screen, columns
from perdure.cli.standing import agents_text, began_text, standing_text, turns_text, usage_text
from perdure.client.account import Account, account_of, call_ids
from perdure.client.attendance import make_sure_it_answers, workers_of
from perdure.client.host import Host
from perdure.client.queues import is_process_queue
from perdure.client.starting import find
from perdure.contracts.messages import ApprovalView, StatusView
from perdure.contracts.told import GuardrailView, InputView
from perdure.errors import PerdureError
from perdure.run_summary import RunSummary
from perdure.runner import Runner
from perdure.usage import cost_in_words, dollars
from perdure.visible import in_line, plain

_AT_ONCE = 8  # runs asked for their approvals at once
_SHOWN_INFO = 400  # characters of what a guardrail said


async def list_runs(screen: Screen, query: str | None, limit: int) -> int:
    """Shows the latest runs, newest first."""
    found = await Runner.list(query, limit=limit)
    rows = [[run.id, _standing(run), run.agent, _cost(run), run.started.isoformat(timespec="seconds")] for run in found]
    screen.show([_summary(run) for run in found], columns(rows, ["RUN", "STATUS", "AGENT", "COST", "STARTED"]))
    if not found:
        screen.note("No runs.")
    return ExitCode.OK


async def show_run(screen: Screen, run_id: str, *, raw: bool) -> int:
    """Shows what one run does, waits for and has said."""
    run = await Runner.get(run_id)
    host = Host.current()
    description = await host.call(_description(host, run_id))
    unserved = description.close_time is None and not await host.call(_takes_steps(host, run.task_queue))
    await host.call(make_sure_it_answers(host, run.task_queue))
    account = await host.call(account_of(host, run_id, screen.progress.tell))
    document = {
        "run_id": run_id,
        "agent": account.status.agent,
        "execution": account.execution,
        "served": not unserved,
        "queue": run.task_queue,
        "url": run.url,
        "began": account.began,
        "ended": account.ended or None,
        "cost_usd": account.status.paid.cost_usd,
        "status": account.status.model_dump(mode="json"),
        "transcript": [entry.model_dump(mode="json") for entry in account.said.entries],
    }
    lines = head_lines(account)
    lines += [Line(_advice(run.task_queue), "bold red")] if unserved else []
    lines += [Line(""), *(raw_lines(account.said.entries) if raw else conversation_lines(account))]
    screen.show(document, lines + _tail_lines(run_id, account.status, {*call_ids(account.said.entries)}))
    return ExitCode.OK


async def explain_run(screen: Screen, run_id: str) -> int:
    """Shows what a run waits for, and the commands that help."""
    run = await Runner.get(run_id)
    found = await run.why()
    document = {"url": run.url, **to_jsonable_python(found)}
    screen.show(
        document, [Line(in_line(found.sentence)), *(Line(f"  {plain(each)}", "green") for each in found.commands)]
    )
    return ExitCode.OK


async def list_approvals(screen: Screen, run_id: str | None, limit: int) -> int:
    """Shows the calls that wait for a decision: of one run, or of all that run."""
    if run_id is not None:
        await Runner.get(run_id)
        ids = [run_id]
    else:
        ids = [run.id for run in await Runner.list('ExecutionStatus = "Running"', limit=limit)]
    turns = asyncio.Semaphore(_AT_ONCE)

    async def ask(one: str) -> list[ApprovalView]:
        async with turns:
            try:
                return await _approvals(one)
            except PerdureError as error:
                if run_id is not None:
                    raise
                screen.note(f"warning: {error}")
                return []

    waiting = list(zip(ids, await asyncio.gather(*map(ask, ids)), strict=True))
    document = [approval_document(one, approval) for one, approvals in waiting for approval in approvals]
    lines = [line for one, approvals in waiting for approval in approvals for line in approval_lines(one, approval)]
    screen.show(document, lines)
    if not document:
        screen.note("No call waits for a decision.")
    return ExitCode.OK


def approval_document(run_id: str, approval: ApprovalView) -> dict[str, Any]:
    """A waiting call as JSON."""
    return {"run_id": run_id, **approval.model_dump(mode="json", exclude={"item"})}


def approval_lines(run_id: str, approval: ApprovalView) -> list[Line]:
    """A waiting call with the commands that decide it."""
    names = plain(f"{shlex.quote(run_id)} {shlex.quote(approval.call_id)}")
    return [
        Line(f"{in_line(run_id)}  {approval.call_id}  {in_line(approval.tool)} {in_line(approval.arguments)}", "bold"),
        Line(f"  agent {in_line(approval.agent)}, since {approval.since}, until {approval.expires}"),
        Line(f"  perdure approve {names}", "green"),
        Line(f"  perdure reject {names} --reason WHY", "red"),
    ]


async def _approvals(run_id: str) -> list[ApprovalView]:
    run = await Runner.get(run_id)
    host = Host.current()
    await host.call(make_sure_it_answers(host, run.task_queue))
    return await run.approvals()


async def _description(host: Host, run_id: str) -> WorkflowExecutionDescription:
    return await find((await host.connection()).client, run_id)


async def _takes_steps(host: Host, queue: str) -> bool:
    if await host.owner_is_dead(queue):
        return False
    return bool(await workers_of((await host.connection()).client, queue, "activity"))


def _advice(queue: str) -> str:
    if is_process_queue(queue):
        return (
            "unserved     the process that started this run has ended: start it again with the same run id "
            "(`perdure run MODULE:AGENT INPUT --run-id ID`), and it goes on"
        )
    return (
        f"unserved     no worker takes its steps: start one with `perdure worker MODULE --queue {shlex.quote(queue)}`"
    )


def head_lines(account: Account) -> list[Line]:
    """What a run is, how it stands and what it used."""
    fields = {
        "run": in_line(account.run_id),
        "agent": in_line(agents_text(account)),
        "status": in_line(standing_text(account)),
        "began": began_text(account),
        "turn": turns_text(account),
        "usage": usage_text(account.status.paid),
        "cost": cost_in_words(account.status.paid),
        "queue": in_line(account.queue),
        "Temporal UI": account.url or "unknown (set PERDURE_UI_URL)",
    }
    return [Line(f"{name:<11}  {value}") for name, value in fields.items()]


def _tail_lines(run_id: str, status: StatusView, shown: set[str]) -> list[Line]:
    """What else is to be known, but for decisions about calls that are shown."""
    lines: list[Line] = []
    if status.approvals:
        lines += [Line(""), Line("Waits for a decision:", "bold")]
        lines += [line for approval in status.approvals for line in approval_lines(run_id, approval)]
    for unknown in status.unknown:
        call = f"{unknown.call_id}: {in_line(unknown.tool)} {in_line(unknown.arguments)}"
        command = f"perdure resolve {run_id} {unknown.call_id} happened|not-happened|retry"
        lines += [Line(""), Line("May or may not have happened:", "bold"), Line(f"  {call}")]
        lines += [Line(f"  {in_line(unknown.why)}"), Line(f"  {command}")]
    for title, values in (
        (
            "Guardrails that stopped something",
            [_stopped(view) for view in status.guardrails if view.behavior != "allow"],
        ),
        ("Sent to it, for its next model request", [_sent(each) for each in status.inputs]),
        ("Decided", [f"{call_id} {told}" for call_id, told in status.decided.items() if call_id not in shown]),
        ("Outcomes told", [f"{call_id} {told}" for call_id, told in status.resolved.items()]),
        ("Outcome unknown, look before repeating", status.given_up),
        ("Warnings", status.warnings),
        ("Messages that changed nothing", status.ignored),
    ):
        if values:
            lines += [Line(""), Line(f"{title}:", "bold"), *(Line(f"  {in_line(value)}") for value in values)]
    return lines


def _sent(view: InputView) -> str:
    by = f" by {view.by}" if view.by else ""
    return f"{view.message_id}{by}: {json.dumps(view.items, ensure_ascii=False)[:_SHOWN_INFO]}"


def _stopped(view: GuardrailView) -> str:
    place = f"tool {view.tool}, call {view.call_id}" if view.source == "tool" else f"{view.source}, {view.agent}"
    what = "ended the run" if view.behavior == "raise" else f"rejected it: {view.message}"
    info = "" if view.output_info is None else f" ({json.dumps(view.output_info, ensure_ascii=False)[:_SHOWN_INFO]})"
    return f"{view.kind.replace('_', ' ')} guardrail {view.name} ({place}) {what}{info}"


def _standing(run: RunSummary) -> str:
    """How a run stands: of one that goes on, whether it waits for somebody."""
    return run.listed if run.closed is None and run.listed else run.status


def _cost(run: RunSummary) -> str:
    """What it had cost when its status changed last, as far as that is known."""
    return "" if run.cost_usd is None else dollars(run.cost_usd)


def _summary(run: RunSummary) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "agent": run.agent,
        "status": run.status,
        "listed": run.listed,
        "started": run.started.isoformat(),
        "closed": run.closed.isoformat() if run.closed else None,
        "queue": run.queue,
        "url": run.url,
    }
