"""The sides of the comparison: each starts a run of the job and says what it took."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, cast

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from benchmarks import floor, served
from benchmarks.agent import NAME, config_of
from benchmarks.child import Child
from benchmarks.job import MODEL_STEP, QUESTION, Job
from perdure import Runner


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run took.

    Attributes:
        turn_seconds: From each model call's scheduling to the next one's, or to the run's end, by the server's clock.
        seconds: From before the start to the result, by the client's clock.
        cpu_seconds: CPU time of the worker's process (in process: of client and worker).
        events: Events in the history.
        history_bytes: The history's size as the server counts it.
    """

    job: Job
    turn_seconds: list[float]
    seconds: float
    cpu_seconds: float
    events: int
    history_bytes: int


class Side(Protocol):
    """One way to do the job."""

    async def measure(self, job: Job) -> Sample:
        """Does the job once."""
        ...


class Floor:
    """The bare workflow."""

    def __init__(self, client: Client, worker: Child) -> None:
        self._client = client
        self._worker = worker

    async def measure(self, job: Job) -> Sample:
        """Does the job once."""
        run_id, before = _new_id("floor"), await _cpu_seconds(self._worker)
        began = time.perf_counter()
        handle = await self._client.start_workflow("Floor", job.model, id=run_id, task_queue=floor.QUEUE)
        await handle.result()
        seconds = time.perf_counter() - began
        return await _sample(self._client, run_id, job, seconds, await _cpu_seconds(self._worker) - before)


class ByName:
    """Perdure with the agent served by a worker elsewhere."""

    def __init__(self, client: Client, worker: Child) -> None:
        self._client = client
        self._worker = worker

    async def measure(self, job: Job) -> Sample:
        """Does the job once."""
        run_id, before = _new_id("served"), await _cpu_seconds(self._worker)
        began = time.perf_counter()
        run = await Runner.start(
            NAME, QUESTION, run_id=run_id, run_config=config_of(job), max_turns=None, task_queue=served.QUEUE
        )
        await run.result()
        seconds = time.perf_counter() - began
        return await _sample(self._client, run_id, job, seconds, await _cpu_seconds(self._worker) - before)


class InProcess:
    """Perdure with the agent as an object: `Runner.run` in a program."""

    def __init__(self, client: Client, program: Child) -> None:
        self._client = client
        self._program = program

    async def measure(self, job: Job) -> Sample:
        """Does the job once."""
        run_id = _new_id("object")
        took = await self._program.do(id=run_id, model=job.model)
        return await _sample(self._client, run_id, job, took["seconds"], took["run_cpu_seconds"])


@contextlib.asynccontextmanager
async def running_sides(address: str) -> AsyncGenerator[Mapping[str, Side]]:
    """All sides by name, each with its process, on the server at this address and one loopback model."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(module: str, environment: dict[str, str]) -> Child:
            child = await Child.start(f"benchmarks.{module}", environment)
            stack.push_async_callback(child.stop)
            return child

        model = await start("loopback", dict(os.environ))
        environment = os.environ | {
            "OPENAI_BASE_URL": model.hello["url"],
            "OPENAI_API_KEY": "not-needed",
            "BENCH_TEMPORAL": address,
        }
        client = await Client.connect(address)
        yield {
            "floor": Floor(client, await start("floor", environment)),
            "by name": ByName(client, await start("served", environment)),
            "in process": InProcess(client, await start("in_process", environment)),
        }


def turn_seconds(events: list[HistoryEvent]) -> list[float]:
    """How long each turn took, by the server's clock."""
    marks = [event.event_time.ToNanoseconds() for event in events if _begins_a_turn(event)]
    marks.append(events[-1].event_time.ToNanoseconds())
    return [(end - begin) / 1e9 for begin, end in pairwise(marks)]


def _begins_a_turn(event: HistoryEvent) -> bool:
    return (
        event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        and event.activity_task_scheduled_event_attributes.activity_type.name == MODEL_STEP
    )


async def _sample(client: Client, run_id: str, job: Job, seconds: float, cpu_seconds: float) -> Sample:
    handle = client.get_workflow_handle(run_id)
    info = cast("Any", (await handle.describe()).raw_info)
    turns = turn_seconds(list((await handle.fetch_history()).events))
    if len(turns) != job.turns:
        raise RuntimeError(f"Run {run_id} made {len(turns)} model calls instead of {job.turns}: the sides differ.")
    return Sample(job, turns, seconds, cpu_seconds, info.history_length, info.history_size_bytes)


async def _cpu_seconds(worker: Child) -> float:
    return (await worker.do())["cpu_seconds"]


def _new_id(side: str) -> str:
    return f"{side}-{uuid.uuid4().hex[:12]}"
