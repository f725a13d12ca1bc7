"""Task queues of processes: who owns one, and whether the owner still lives.

A process that starts runs with `Agent` objects serves them on a queue of its own, named after its host. While it lives
it holds a lock on a file of that name; whoever gets the lock knows that the owner is dead and may serve the queue.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import socket
import time
from pathlib import Path

from perdure.limits import RETENTION_DAYS

NAMED_QUEUE = "perdure"  # where workers serve agents by name, unless told otherwise
_PREFIX = "perdure-process."


def new_queue_name() -> str:
    """A queue name for this process, never used before."""
    return f"{_PREFIX}{_host()}.{os.getpid()}.{secrets.token_hex(4)}"


def is_process_queue(queue: str) -> bool:
    """Whether the queue belongs to one process, not to workers that serve by name."""
    return queue.startswith(_PREFIX)


def is_of_this_host(queue: str) -> bool:
    """Whether the queue's owner ran on this host, so that its lock tells whether it lives."""
    return queue.startswith(f"{_PREFIX}{_host()}.")


def owner_of(queue: str) -> str:
    """The process that owns a process queue, as people name one."""
    host, _, rest = queue.removeprefix(_PREFIX).partition(".")
    return f"process {rest.partition('.')[0]} of {host}"


class QueueLock:
    """The lock on a queue, held until the process ends or `release`."""

    def __init__(self, folder: Path, queue: str) -> None:
        self._path = folder / f"{queue}.lock"
        self._descriptor: int | None = None

    def exists(self) -> bool:
        """Whether the queue's owner had this folder, so that the lock tells of it."""
        return self._path.exists()

    def acquire(self) -> bool:
        """Takes the lock if nobody alive holds it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        _held.add(self)
        return True

    def release(self) -> None:
        """Gives the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            _held.discard(self)


def remove_old_locks(folder: Path) -> None:
    """Removes lock files of queues whose runs are past every retention."""
    limit = time.time() - RETENTION_DAYS * 24 * 3600
    for path in folder.glob(f"{_PREFIX}*.lock"):
        lock = QueueLock(folder, path.stem)
        if path.stat().st_mtime < limit and lock.acquire():  # a process may live longer than its file's age
            path.unlink(missing_ok=True)
            lock.release()


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:60]


_held: set[QueueLock] = set()


def _let_go_in_child() -> None:
    """A forked child shares its parent's locks, and would hold them after the parent's end."""
    for lock in list(_held):
        lock.release()


os.register_at_fork(after_in_child=_let_go_in_child)
