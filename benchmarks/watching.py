"""One run on the watched worker, and what it noted."""

from __future__ import annotations

import uuid
from itertools import pairwise
from typing import NamedTuple

from benchmarks import watched
from benchmarks.agent import NAME, config_of
from benchmarks.job import QUESTION, Job
from benchmarks.stage import Stage
from benchmarks.watched import Mark
from perdure import Runner


class Turn(NamedTuple):
    """What a turn took, and what of that was the request to the model."""

    ms: float
    cpu_ms: float
    request_ms: float
    request_cpu_ms: float


async def watch(stage: Stage, job: Job) -> tuple[str, list[Mark]]:
    """Does the job once; the run's id, and a mark for each model call."""
    worker = await stage.child("watched")
    await worker.do()
    run_id = f"watched-{uuid.uuid4().hex[:12]}"
    run = await Runner.start(
        NAME, QUESTION, run_id=run_id, run_config=config_of(job), max_turns=None, task_queue=watched.QUEUE
    )
    await run.result()
    marks = [Mark(*mark) for mark in (await worker.do())["marks"]]
    if len(marks) != job.turns:
        raise RuntimeError(f"Run {run_id} made {len(marks)} model calls instead of {job.turns}.")
    return run_id, marks


def turns_of(marks: list[Mark]) -> list[Turn]:
    """The turns between the marks: the first is turn 1."""
    return [Turn(*(1000 * (end[field] - begin[field]) for field in range(4))) for begin, end in pairwise(marks)]
