"""What runs that wait for an approval cost the worker that holds them, in memory."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import psutil

from benchmarks.agent import APPROVING, config_of
from benchmarks.job import LARGE_BYTES, QUESTION, Job
from benchmarks.stage import Stage
from benchmarks.tables import number, table
from benchmarks.waiting_worker import QUEUE
from perdure import Runner

_COUNTS = (50, 150, 250)  # the first have the worker's warm-up in them
_AT_ONCE = 10
_JOB = Job(2, LARGE_BYTES)


async def measure(stage: Stage, counts: Sequence[int] = _COUNTS) -> dict[str, Any]:
    """The worker's memory with so many runs waiting."""
    worker = await stage.child("waiting_worker")
    memory = psutil.Process(worker.pid)
    turnstile = asyncio.Semaphore(_AT_ONCE)
    found = {0: memory.memory_info().rss / 1e6}
    for before, count in pairwise((0, *counts)):
        await asyncio.gather(*(_wait_for_approval(turnstile) for _ in range(count - before)))
        await worker.do()
        found[count] = memory.memory_info().rss / 1e6
    first, last = counts[0], counts[-1]
    return {"mb": found, "mb_per_100": 100 * (found[last] - found[first]) / (last - first), "from": first}


async def _wait_for_approval(turnstile: asyncio.Semaphore) -> None:
    async with turnstile:
        run = await Runner.start(
            APPROVING,
            QUESTION,
            run_id=f"waiting-{uuid.uuid4().hex[:12]}",
            run_config=config_of(_JOB),
            task_queue=QUEUE,
        )
        async for _ in run.watch_approvals():
            return


def waiting_table(found: dict[str, Any]) -> str:
    """The worker's memory as runs come to wait."""
    rows = [[str(count), number(mb)] for count, mb in found["mb"].items()]
    each = f"Beyond the first {found['from']}: {found['mb_per_100']:.1f} MB per 100 runs\n"
    return table("Runs that wait for an approval", ["runs", "worker MB"], rows) + each
