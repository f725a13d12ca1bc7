"""The sides of the comparison: each starts a run of the job and says what it took."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, cast

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from benchmarks import floor, served
from benchmarks.agent import NAME, config_of
from benchmarks.child import Child, burst
from benchmarks.job import MODEL_STEP, QUESTION, Job
from benchmarks.stage import Stage
from perdure import Runner

_PATIENCE_SECONDS = 600.0  # for one run; the longest takes one to two minutes


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
    run_id: str = ""


class Took(NamedTuple):
    """What one run or several took: by the client's clock, and of the worker's process."""

    seconds: float
    cpu_seconds: float


class RunDiedError(Exception):
    """A run that did not do its job.

    Attributes:
        model_calls: How many it made.
        history_bytes: What its history had grown to.
    """

    def __init__(self, model_calls: int, history_bytes: int, reason: str) -> None:
        super().__init__(f"it died at model call {model_calls}, with {history_bytes:,} bytes of history: {reason}")
        self.model_calls = model_calls
        self.history_bytes = history_bytes


class Side(Protocol):
    """One way to do the job."""

    async def measure(self, job: Job) -> Sample:
        """Does the job once."""
        ...

    async def burst(self, job: Job, runs: int, at_once: int) -> Took:
        """Does the job in many runs, so many at once."""
        ...


class Bare:
    """A workflow that takes the model's name: the floor, or the job on another library."""

    def __init__(self, client: Client, worker: Child, workflow: str, queue: str, model_step: str = MODEL_STEP) -> None:
        self._client = client
        self._worker = worker
        self._workflow = workflow
        self._queue = queue
        self._model_step = model_step

    async def measure(self, job: Job) -> Sample:
        """Does the job once.

        Raises:
            RunDiedError: The run ended without a result, or did not end.
        """
        run_id = new_id(self._queue)
        took = await _watched(self._worker, lambda run_id: self._run(job, run_id), [run_id])
        return await _sample(self._client, run_id, job, took, self._model_step)

    async def burst(self, job: Job, runs: int, at_once: int) -> Took:
        """Does the job in many runs, so many at once."""
        return await _watched(self._worker, lambda run_id: self._run(job, run_id), new_ids(self._queue, runs), at_once)

    async def _run(self, job: Job, run_id: str) -> None:
        handle = await self._client.start_workflow(self._workflow, job.model, id=run_id, task_queue=self._queue)
        try:
            await asyncio.wait_for(handle.result(), _PATIENCE_SECONDS)
        except (WorkflowFailureError, TimeoutError) as error:
            raise await _died(handle, error, self._model_step) from None


class ByName:
    """Perdure with the agent served by a worker elsewhere."""

    def __init__(self, client: Client, worker: Child, agent: str = NAME) -> None:
        self._client = client
        self._worker = worker
        self._agent = agent

    async def measure(self, job: Job) -> Sample:
        """Does the job once."""
        run_id = new_id("served")
        took = await _watched(self._worker, lambda run_id: self._run(job, run_id), [run_id])
        return await _sample(self._client, run_id, job, took)

    async def burst(self, job: Job, runs: int, at_once: int) -> Took:
        """Does the job in many runs, so many at once."""
        return await _watched(self._worker, lambda run_id: self._run(job, run_id), new_ids("served", runs), at_once)

    async def _run(self, job: Job, run_id: str) -> None:
        run = await Runner.start(
            self._agent, QUESTION, run_id=run_id, run_config=config_of(job), max_turns=None, task_queue=served.QUEUE
        )
        await run.result()


class InProcess:
    """Perdure with the agent as an object: `Runner.run` in a program."""

    def __init__(self, client: Client, program: Child, agent: str = NAME) -> None:
        self._client = client
        self._program = program
        self._agent = agent

    async def measure(self, job: Job) -> Sample:
        """Does the job once."""
        run_id = new_id("object")
        took = await told(self._program, self._agent, job, [run_id])
        return await _sample(self._client, run_id, job, Took(took["seconds"], took["run_cpu_seconds"]))

    async def burst(self, job: Job, runs: int, at_once: int) -> Took:
        """Does the job in many runs, so many at once."""
        took = await told(self._program, self._agent, job, new_ids("object", runs), at_once)
        return Took(took["seconds"], took["run_cpu_seconds"])


async def floor_side(stage: Stage) -> Bare:
    """The bare workflow."""
    return Bare(stage.client, await stage.child("floor"), "Floor", floor.QUEUE)


async def by_name_side(stage: Stage) -> ByName:
    """Perdure with a worker of its own."""
    return ByName(stage.client, await stage.child("served"))


async def own_sides(stage: Stage) -> Mapping[str, Side]:
    """The floor and Perdure in both ways, by name."""
    in_process = InProcess(stage.client, await stage.child("in_process"))
    return {"floor": await floor_side(stage), "by name": await by_name_side(stage), "in process": in_process}


def turn_seconds(events: list[HistoryEvent], model_step: str = MODEL_STEP) -> list[float]:
    """How long each turn took, by the server's clock."""
    marks = [event.event_time.ToNanoseconds() for event in events if _begins_a_turn(event, model_step)]
    marks.append(events[-1].event_time.ToNanoseconds())
    return [(end - begin) / 1e9 for begin, end in pairwise(marks)]


def _begins_a_turn(event: HistoryEvent, model_step: str) -> bool:
    return (
        event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        and event.activity_task_scheduled_event_attributes.activity_type.name == model_step
    )


async def _sample(client: Client, run_id: str, job: Job, took: Took, model_step: str = MODEL_STEP) -> Sample:
    handle = client.get_workflow_handle(run_id)
    info = cast("Any", (await handle.describe()).raw_info)
    turns = turn_seconds(list((await handle.fetch_history()).events), model_step)
    if len(turns) != job.turns:
        raise RuntimeError(f"Run {run_id} made {len(turns)} model calls instead of {job.turns}: the sides differ.")
    return Sample(job, turns, *took, info.history_length, info.history_size_bytes, run_id)


async def _died(handle: WorkflowHandle[Any, Any], error: Exception, model_step: str) -> RunDiedError:
    if isinstance(error, TimeoutError):
        await handle.terminate("the benchmark has waited long enough")
    described = await handle.describe()
    calls = sum([_begins_a_turn(event, model_step) async for event in handle.fetch_history_events()])
    reason = (
        f"no end in {_PATIENCE_SECONDS:.0f} s" if isinstance(error, TimeoutError) else str(error.__cause__ or error)
    )
    return RunDiedError(calls, cast("Any", described.raw_info).history_size_bytes, reason)


async def _watched(
    worker: Child, run: Callable[[str], Awaitable[object]], ids: Sequence[str], at_once: int = 1
) -> Took:
    before = (await worker.do())["cpu_seconds"]
    seconds = await burst(run, ids, at_once)
    return Took(seconds, (await worker.do())["cpu_seconds"] - before)


async def told(program: Child, agent: str, job: Job, ids: Sequence[str], at_once: int = 1) -> dict[str, Any]:
    """Has a program make the runs itself, in its own process."""
    return await program.do(agent=agent, model=job.model, ids=ids, at_once=at_once)


def new_id(side: str) -> str:
    """An id for a run."""
    return f"{side}-{uuid.uuid4().hex[:12]}"


def new_ids(side: str, count: int) -> list[str]:
    """Ids for so many runs."""
    return [new_id(side) for _ in range(count)]
