"""Removes blobs that no run needs any more."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from perdure.client.needing import Needs, Tell, needs_of_all
from perdure.connection import Connection
from perdure.errors import UserError
from perdure.kept_blobs import KeptBlobs, StoredBlob


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed, or would be: how many blobs, and their bytes on the disk."""

    blobs: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a pruning came to.

    Attributes:
        removed: What was removed; with `dry_run`, what would be.
        needed: How many blobs are needed.
        young: How many are not, but were written too lately to be sure.
    """

    removed: Removed
    needed: int
    young: int


async def prune(connection: Connection, blobs: KeptBlobs, *, grace_seconds: float, dry_run: bool, tell: Tell) -> Pruned:
    """Removes what no run of the namespace needs, open or closed, and what writers that were killed left unfinished.

    Args:
        connection: The namespace.
        blobs: Its store.
        grace_seconds: What was written later than so long ago stays: a run may just be about to name it.
        dry_run: Remove nothing.
        tell: Is told now and then how far it has come.

    Raises:
        UserError: It cannot be known what is needed; nothing was removed.
    """
    await asyncio.to_thread(refuse_shared, connection, blobs)
    before = time.time() - grace_seconds
    needs = await needs_of_all(connection.client, blobs, tell=tell)
    return await asyncio.to_thread(_sweep, blobs, needs, before, dry_run=dry_run)


def refuse_shared(connection: Connection, blobs: KeptBlobs) -> None:
    """Refuses a store that other namespaces use: of what their runs need nothing is known here.

    Raises:
        UserError: They do.
    """
    others = {user: name for user, name in blobs.users().items() if user != connection.namespace_id}
    for user, name in others.items():
        raise UserError(
            f"The blobs in {blobs.place} are shared with another namespace, {name}, whose runs are not known here; "
            f"nothing is removed. If that namespace keeps nothing there any more, delete "
            f"{blobs.note_of(user)} and try again."
        )


def _sweep(blobs: KeptBlobs, needs: Needs, before: float, *, dry_run: bool) -> Pruned:
    unneeded = [blob for blob in blobs.stored() if blob.digest not in needs.needed]
    old = [blob for blob in unneeded if blob.written < before]
    removed = Removed(len(old), sum(blob.size for blob in old)) if dry_run else remove(blobs, old, before)
    if not dry_run:
        blobs.sweep(before)
    return Pruned(removed, needed=len(needs.needed), young=len(unneeded) - removed.blobs)


def remove(blobs: KeptBlobs, unneeded: list[StoredBlob], before: float) -> Removed:
    """Removes blobs but those that somebody has written since."""
    gone = [blob for blob in unneeded if blobs.remove(blob.digest, before)]
    return Removed(len(gone), sum(blob.size for blob in gone))
