"""Says something to a run: send, interrupt, pause, resume, stop, cancel."""

from __future__ import annotations

from typing import Literal

from perdure.cli.ending import CommandFailed, ExitCode
from perdure.cli.screen import Line, Screen
from perdure.client.host import Host
from perdure.client.starting import find
from perdure.client.telling import When
from perdure.contracts.holding import HoldReceipt
from perdure.contracts.messages import SendReceipt
from perdure.errors import UserError
from perdure.runner import Runner
from perdure.visible import in_line


async def send(screen: Screen, run_id: str, text: str, *, when: When, message_id: str | None, by: str) -> int:
    """Says something to a run, and shows the receipt.

    Raises:
        CommandFailed: The run has ended, or takes no more input.
    """
    run = await Runner.get(run_id)
    try:
        receipt = await run.send(text, when=when, message_id=message_id, by=by)
    except UserError as error:
        raise _refused(error) from error
    return _told(screen, run_id, by, receipt)


async def hold(
    screen: Screen,
    verb: Literal["pause", "interrupt", "resume"],
    run_id: str,
    *,
    by: str,
    reason: str | None = None,
) -> int:
    """Pauses or interrupts a run, or lets it go on, and shows the receipt.

    Raises:
        CommandFailed: The run has ended, or has its final output.
    """
    run = await Runner.get(run_id)
    try:
        if verb == "resume":
            receipt = await run.resume(by=by)
        elif verb == "pause":
            receipt = await run.pause(by=by, reason=reason)
        else:
            receipt = await run.interrupt(by=by, reason=reason)
    except UserError as error:
        raise _refused(error) from error
    return _told(screen, run_id, by, receipt)


async def stop(screen: Screen, run_id: str, *, withdraw: bool) -> int:
    """Asks a run to stop once its open turn has ended, or takes that back.

    Raises:
        CommandFailed: It has ended.
    """
    run = await Runner.get(run_id)
    try:
        receipt = await run.stop(withdraw=withdraw)
    except UserError as error:
        raise _refused(error) from error
    if receipt.stopped:
        text = f"Run {run_id!r} has stopped."
    elif receipt.stopping:
        text = f"Run {run_id!r} stops once its open turn has ended."
    else:
        text = f"Run {run_id!r} goes on."
    screen.show({"run_id": run_id, **receipt.model_dump(mode="json")}, [Line(in_line(text))])
    return ExitCode.OK


async def cancel(screen: Screen, run_id: str) -> int:
    """Asks a run to stop.

    Raises:
        CommandFailed: It has ended.
    """
    run = await Runner.get(run_id)
    host = Host.current()
    description = await host.call(find((await host.call(host.connection())).client, run_id))
    if description.close_time is not None and description.status is not None:
        ended = description.status.name.lower()
        raise CommandFailed(ExitCode.FAILED, "RunEnded", f"Run {run_id!r} has ended already ({ended}).")
    await run.cancel()
    text = f"Run {run_id!r} was asked to stop; `perdure show` tells when it has."
    screen.show({"run_id": run_id, "requested": "cancel"}, [Line(in_line(text))])
    return ExitCode.OK


def _refused(error: UserError) -> CommandFailed:
    return CommandFailed(ExitCode.FAILED, type(error).__name__, error.message)


def _told(screen: Screen, run_id: str, by: str, receipt: SendReceipt | HoldReceipt) -> int:
    line = Line(f"{in_line(receipt.explanation)} ({receipt.verdict})")
    screen.show({"run_id": run_id, "by": by, **receipt.model_dump(mode="json")}, [line])
    return ExitCode.OK
