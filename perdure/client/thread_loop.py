"""A loop that a thread keeps, for programs without one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")
_kept = threading.local()


def run_in_thread_loop(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs to completion on a loop that this thread keeps, so that runs under way go on in the next call."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        work.close()
        raise RuntimeError("Runner.run_sync cannot be called while a loop runs in this thread; await Runner.run there.")
    loop = getattr(_kept, "loop", None)
    if loop is None or loop.is_closed():
        loop = _kept.loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    try:
        return loop.run_until_complete(task)
    except BaseException:
        if not task.done():  # Ctrl-C: the run goes on in Temporal, waiting for it does not
            task.cancel()
            loop.run_until_complete(asyncio.wait([task]))
        raise
