"""What runs that wait for an approval cost the worker that holds them, in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any

import psutil

from benchmarks.agent import APPROVING, config_of
from benchmarks.child import COLLECT, Child, burst
from benchmarks.job import LARGE_BYTES, QUESTION, Job
from benchmarks.sides import new_ids
from benchmarks.stage import Stage
from benchmarks.tables import number, table
from perdure import Runner

AT_ONCE = 10
JOB = Job(2, LARGE_BYTES)
_COUNTS = (50, 150, 250)  # the first have the worker's warm-up in them
_QUEUE = "waiting"


async def measure(stage: Stage, counts: Sequence[int] = _COUNTS) -> dict[str, Any]:
    """The worker's memory with so many runs waiting."""
    worker = await stage.child("served", queue=_QUEUE)
    return await memory(worker, counts, lambda run_ids: until_they_wait(_QUEUE, run_ids))


async def memory(
    worker: Child, counts: Sequence[int], wait: Callable[[Sequence[str]], Awaitable[object]]
) -> dict[str, Any]:
    """A worker's memory with so many runs waiting, without what its garbage collector has yet to find.

    Args:
        worker: A process of its own, in which nothing ran yet.
        counts: How many wait in all, one number after the other.
        wait: Begins the runs of these ids, and returns once they wait.
    """
    process = psutil.Process(worker.pid)
    found = {0: process.memory_info().rss / 1e6}
    for before, count in pairwise((0, *counts)):
        await wait(new_ids("waiting", count - before))
        await worker.do(**COLLECT)
        found[count] = process.memory_info().rss / 1e6
    first, last = counts[0], counts[-1]
    return {"mb": found, "mb_per_100": 100 * (found[last] - found[first]) / (last - first), "from": first}


async def until_they_wait(queue: str, run_ids: Sequence[str]) -> None:
    """Begins runs of Perdure on a queue, and returns once all wait."""

    async def until_it_waits(run_id: str) -> None:
        run = await Runner.start(APPROVING, QUESTION, run_id=run_id, run_config=config_of(JOB), task_queue=queue)
        async for _ in run.watch_approvals():
            return

    await burst(until_it_waits, run_ids, AT_ONCE)


def waiting_table(found: dict[str, Any]) -> str:
    """The worker's memory as runs come to wait."""
    rows = [[str(count), number(mb)] for count, mb in found["mb"].items()]
    each = f"Beyond the first {found['from']}: {found['mb_per_100']:.1f} MB per 100 runs\n"
    return table("Runs that wait for an approval", ["runs", "worker MB"], rows) + each
