"""Removes what is not needed any more: blobs without a run, and runs with their blobs."""

from __future__ import annotations

import time
from dataclasses import asdict

from perdure.cli.ending import ExitCode
from perdure.cli.screen import Line, Screen
from perdure.client.deleting import delete_run
from perdure.client.host import Host
from perdure.client.needing import Tell
from perdure.client.pruning import prune
from perdure.errors import UserError
from perdure.visible import in_line

_NOTE_SECONDS = 1.0  # between two words on how far it has come


async def prune_blobs(screen: Screen, grace_seconds: float, *, dry_run: bool) -> int:
    """Removes blobs that no run needs, and shows how many.

    Raises:
        UserError: There is no blob store, or it cannot be known what is needed.
    """
    host = Host.current()
    connection, blobs = await host.call(host.connection()), await host.call(host.blobs())
    if blobs is None:
        raise UserError("There is no blob store: set PERDURE_BLOBS to the directory that clients and workers share.")
    tell = now_and_then(screen)
    pruned = await host.call(prune(connection, blobs, grace_seconds=grace_seconds, dry_run=dry_run, tell=tell))
    verb = "would be removed" if dry_run else "removed"
    text = f"{pruned.removed.blobs} blobs {verb}, {pruned.removed.bytes} bytes; {pruned.needed} are needed"
    young = f", {pruned.young} are not but younger than {grace_seconds:g} s" if pruned.young else ""
    document = {"dry_run": dry_run, **asdict(pruned.removed), "needed": pruned.needed, "young": pruned.young}
    screen.show(document | {"directory": blobs.place}, [Line(f"{text}{young} ({in_line(blobs.place)}).")])
    return ExitCode.OK


async def delete_run_of(screen: Screen, run_id: str) -> int:
    """Deletes a run that has ended, and shows what went with it."""
    host = Host.current()
    connection, blobs = await host.call(host.connection()), await host.call(host.blobs())
    deleted = await host.call(delete_run(connection, blobs, run_id, now_and_then(screen)))
    text = f"Run {run_id!r} deleted: {deleted.histories} histories, {deleted.blobs} blobs of {deleted.bytes} bytes."
    lines = [Line(in_line(text))]
    if deleted.kept:
        lines.append(Line(f"Its blobs stay: {in_line(deleted.kept)} `perdure blobs prune` removes them later.", "bold"))
    screen.show({"run_id": run_id, **asdict(deleted)}, lines)
    return ExitCode.OK


def now_and_then(screen: Screen) -> Tell:
    """Says how far it has come, once a second; at a terminal in the line of its progress."""
    said = time.monotonic()

    def tell(text: str) -> None:
        nonlocal said
        screen.progress.tell(text)
        if not screen.progress.is_shown and time.monotonic() - said > _NOTE_SECONDS:
            said = time.monotonic()
            screen.note(f"{text}…")

    return tell
