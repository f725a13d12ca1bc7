"""The worker of `served`, watched: at each model call it notes time, CPU and memory, and what the request itself took.

The request is as long as the conversation, whoever makes it; what is left of a turn's cost should not be.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import psutil

from benchmarks.served import serve
from perdure.rooms import load_room

QUEUE = "watched"


class Mark(NamedTuple):
    """What was so when a model was asked, all since the process began.

    Attributes:
        seconds: By the clock.
        cpu_seconds: Of the process.
        request_seconds: By the clock, in all requests to the model so far.
        request_cpu_seconds: Of the thread that makes them, likewise.
        rss_bytes: The process's memory.
    """

    seconds: float
    cpu_seconds: float
    request_seconds: float
    request_cpu_seconds: float
    rss_bytes: int


class _Watch:
    def __init__(self) -> None:
        self._marks: list[Mark] = []
        self._spent = (0.0, 0.0)  # by the clock, CPU
        self._process = psutil.Process()

    def around(self, respond: Callable[..., Any]) -> Callable[..., Any]:
        """Requests to the model, noted."""

        async def noted(*arguments: Any, **options: Any) -> Any:
            clock, cpu = time.perf_counter(), time.thread_time()
            self._marks.append(Mark(clock, time.process_time(), *self._spent, self._process.memory_info().rss))
            try:
                return await respond(*arguments, **options)
            finally:
                seconds, cpu_seconds = self._spent
                self._spent = seconds + time.perf_counter() - clock, cpu_seconds + time.thread_time() - cpu

        return noted

    async def tell(self, _command: dict[str, Any]) -> dict[str, Any]:
        """The marks since the last time."""
        marks, self._marks = self._marks, []
        return {"marks": marks}


async def _main() -> None:
    watch = _Watch()
    providers = load_room("activities.providers.dispatch").Providers
    providers.respond = watch.around(providers.respond)
    await serve(QUEUE, watch.tell)


if __name__ == "__main__":
    asyncio.run(_main())
