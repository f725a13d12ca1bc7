"""Says something about a run's calls: approve, reject, resolve."""

from __future__ import annotations

from typing import Any, Literal

from perdure.cli.ending import CommandFailed, ExitCode
from perdure.cli.screen import Line, Screen
from perdure.client.attendance import make_sure_it_answers
from perdure.client.host import Host
from perdure.contracts.messages import Receipt, StatusView
from perdure.errors import DecisionConflictError
from perdure.run import Run
from perdure.runner import Runner
from perdure.visible import in_line


async def decide(
    screen: Screen,
    verb: Literal["approve", "reject"],
    run_id: str,
    call_id: str,
    *,
    by: str,
    always: bool,
    reason: str | None = None,
) -> int:
    """Approves or rejects a call and shows the receipt.

    Raises:
        CommandFailed: The run has no such call, or the decision was refused.
    """
    run = await Runner.get(run_id)
    host = Host.current()
    await host.call(make_sure_it_answers(host, run.task_queue))
    try:
        if verb == "approve":
            receipt = await run.approve(call_id, by=by, always=always)
        else:
            receipt = await run.reject(call_id, by=by, reason=reason, always=always)
    except DecisionConflictError as error:
        code = ExitCode.FAILED if await _knows(run, call_id) else ExitCode.UNKNOWN
        raise CommandFailed(code, type(error).__name__, error.message) from error
    screen.show({"run_id": run_id, "by": by, **receipt.model_dump(mode="json")}, [_told(receipt)])
    return ExitCode.OK


async def resolve(screen: Screen, run_id: str, call_id: str, outcome: Any, *, result: str | None, by: str) -> int:
    """Says what became of a call, and shows the receipt.

    Raises:
        CommandFailed: Its outcome is not asked for.
    """
    run = await Runner.get(run_id)
    host = Host.current()
    await host.call(make_sure_it_answers(host, run.task_queue))
    try:
        receipt = await run.resolve(call_id, outcome, result=result, by=by)
    except DecisionConflictError as error:
        code = ExitCode.FAILED if await _knows(run, call_id) else ExitCode.UNKNOWN
        raise CommandFailed(code, type(error).__name__, error.message) from error
    screen.show({"run_id": run_id, "by": by, **receipt.model_dump(mode="json")}, [_told(receipt)])
    return ExitCode.OK


async def _knows(run: Run, call_id: str) -> bool:
    """Whether the run has or had a call with this id, ours or the model's."""
    status: StatusView = await run.status()
    known = set(status.decided) | {call.call_id for call in status.calls}
    known |= {str(call.item.get("call_id")) for call in status.calls}
    if call_id in known:
        return True
    said = await run.transcript()
    made = [entry for entry in said if entry.kind == "answer" and entry.item.get("type") == "function_call"]
    places: dict[int, int] = {}
    for entry in made:
        place = places[entry.turn] = places.get(entry.turn, -1) + 1
        known |= {f"{entry.turn}.{place}", str(entry.item.get("call_id"))}
    return call_id in known


def _told(receipt: Receipt) -> Line:
    return Line(f"{in_line(receipt.explanation)} ({receipt.verdict})")
