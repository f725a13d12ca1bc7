"""A lock between processes of one machine, which the system frees when its holder dies."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from perdure.errors import ServerUnavailable

POLL_SECONDS = 0.02  # flock has no timeout of its own, so it is asked again and again


@contextmanager
def exclusive_lock(path: Path, *, timeout: timedelta) -> Generator[None]:
    """Hold the lock file `path` for the length of a `with` block; threads of one process exclude each other too.

    Raises:
        ServerUnavailable: Someone else held it for all of `timeout`, or the system has no such locks.
        OSError: The file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + timeout.total_seconds()
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise ServerUnavailable(
                    f"Another process has held {str(path)!r} for {timeout.total_seconds():g} s. "
                    f"It may hang while it starts or stops the embedded server: see `fuser {path}` and end it."
                )
            time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        raise ServerUnavailable(
            "The embedded server runs on Linux and macOS only. Start a Temporal server and set TEMPORAL_ADDRESS."
        )
    import fcntl  # not on Windows

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
