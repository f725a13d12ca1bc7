"""A loop that a thread keeps, for programs without one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")
_kept = threading.local()


class _Kept:
    """A thread's loop, closed when the thread ends."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()

    def __del__(self) -> None:
        # The main thread's loop ends with the process, which the host sees to.
        if threading.main_thread().is_alive() and threading.current_thread() is not threading.main_thread():
            self.runner.close()


def _kept_loop() -> asyncio.AbstractEventLoop:
    kept = getattr(_kept, "kept", None)
    if kept is None or kept.runner.get_loop().is_closed():
        kept = _kept.kept = _Kept()
    return kept.runner.get_loop()


def run_in_thread_loop(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs to completion on a loop that this thread keeps, so that runs under way go on in the next call."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        work.close()
        raise RuntimeError("Runner.run_sync cannot be called while a loop runs in this thread; await Runner.run there.")
    loop = _kept_loop()
    task = loop.create_task(work)
    try:
        return loop.run_until_complete(task)
    except BaseException:
        if not task.done():  # Ctrl-C: the run goes on in Temporal, waiting for it does not
            task.cancel()
            loop.run_until_complete(asyncio.wait([task]))
        raise
