"""One daemon thread with an event loop of its own, for Temporal's client and worker.

User code never enters it: a tool that blocks its loop would stop heartbeats, and a script that ends would cancel the
worker in the middle of a step.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import concurrent.futures.thread  # pyright: ignore[reportUnusedImport]  see `_at_exit`: it must end after us
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class BackgroundLoop:
    """The thread and its loop; started at once."""

    def __init__(self) -> None:
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="perdure", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, _T]) -> concurrent.futures.Future[_T]:
        """Starts work on the loop, from any thread."""
        if self._closed:
            work.close()
            raise RuntimeError("This process is ending; its runs go on when a process serves them again.")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def soon(self, work: Callable[[], None]) -> None:
        """Calls a function on the loop, from any thread; not once the process ends."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(work)

    async def call(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Does work on the loop and waits for it on the caller's; being cancelled cancels the work."""
        return await asyncio.wrap_future(self.submit(work))

    def close(self, timeout_seconds: float) -> None:
        """Stops the loop and its thread."""
        ending = self.submit(_end_calls())
        self._closed = True
        with contextlib.suppress(TimeoutError):
            ending.result(timeout_seconds)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout_seconds)


async def _end_calls() -> None:
    """Cancels what is still under way, so that callers in other threads do not wait for ever."""
    under_way = asyncio.all_tasks() - {asyncio.current_task()}
    for task in under_way:
        task.cancel()
    if under_way:
        await asyncio.wait(under_way, timeout=1.0)
