"""The sides of the speed table, and how new processes of theirs are used: cold ones, and ones whose runs wait."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client

from benchmarks.agent import APPROVING, LOCAL, NAME, config_of
from benchmarks.child import Child, burst
from benchmarks.job import QUESTION, Job
from benchmarks.peers.comparing import PEERS
from benchmarks.peers.dbos_side import PROGRAM, Dbos
from benchmarks.peers.environments import PeerMissingError, python_of
from benchmarks.sides import Bare, ByName, InProcess, Side, by_name_side, floor_side, new_id, told
from benchmarks.stage import Stage
from benchmarks.waiting import AT_ONCE, JOB, until_they_wait
from perdure import Runner

FLOOR = "floor"
PLUGIN = "temporalio-openai-agents"
DBOS = "DBOS"
BY_NAME, BY_NAME_LOCAL = "by name", "by name, local tool"
IN_PROCESS, IN_PROCESS_LOCAL = "in process", "in process, local tool"

_End = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Program:
    """How new processes of a side are used.

    Attributes:
        module: Of `benchmarks`.
        begin: Has a run begun that waits for the process, on its queue; what it returns waits for the run's
            end. None: the process makes its runs itself.
        wait: Has runs of these ids begun in the process, on its queue, and returns once they wait.
    """

    module: str
    begin: Callable[[Job, str], Awaitable[_End | None]]
    wait: Callable[[Child, str, Sequence[str]], Awaitable[object]]
    python: str = sys.executable

    def waiting(self, child: Child, queue: str) -> Callable[[Sequence[str]], Awaitable[object]]:
        """`wait` in one process."""
        return lambda run_ids: self.wait(child, queue, run_ids)


@dataclass(frozen=True, slots=True)
class Lane:
    """One column of the table: how its runs are made, and its program where new processes of it are measured, too."""

    side: Side
    program: Program | None = None


async def lanes(stage: Stage) -> tuple[dict[str, Lane], list[str]]:
    """All sides by name, and why a peer is missing."""
    served, program = await stage.child("served"), await stage.child("in_process")
    found = {
        FLOOR: Lane(await floor_side(stage), _flows(stage.client, "floor", "Floor")),
        BY_NAME: Lane(await by_name_side(stage), Program("served", _begin_by_name, _wait_by_name)),
        BY_NAME_LOCAL: Lane(ByName(stage.client, served, LOCAL)),
        IN_PROCESS: Lane(InProcess(stage.client, program), Program("in_process", _nothing, _wait_in_program)),
        IN_PROCESS_LOCAL: Lane(InProcess(stage.client, program, LOCAL)),
    }
    missing: list[str] = []
    for name, make in {PLUGIN: _plugin_lane, DBOS: _dbos_lane}.items():
        try:
            found[name] = await make(stage)
        except PeerMissingError as error:
            missing.append(str(error))
    return found, missing


async def _plugin_lane(stage: Stage) -> Lane:
    peer = PEERS[PLUGIN]
    module, python = f"peers.{peer.program}", await asyncio.to_thread(python_of, peer.program)
    worker = await stage.child(module, python)
    side = Bare(stage.client, worker, peer.workflow, peer.queue, peer.model_step)
    return Lane(side, _flows(stage.client, module, peer.workflow, python))


async def _dbos_lane(stage: Stage) -> Lane:
    module, python = f"peers.{PROGRAM}", await asyncio.to_thread(python_of, PROGRAM)
    return Lane(Dbos(await stage.child(module, python)), Program(module, _nothing, _wait_in_program, python))


def _flows(client: Client, module: str, workflow: str, python: str = sys.executable) -> Program:
    async def begin(job: Job, queue: str) -> _End:
        return (await client.start_workflow(workflow, job.model, id=new_id(queue), task_queue=queue)).result

    async def wait(_worker: Child, queue: str, run_ids: Sequence[str]) -> None:
        async def until_it_waits(run_id: str) -> None:
            handle: Any = await client.start_workflow(f"{workflow}Waiting", JOB.model, id=run_id, task_queue=queue)
            await handle.execute_update("until_it_waits")

        await burst(until_it_waits, run_ids, AT_ONCE)

    return Program(module, begin, wait, python)


async def _begin_by_name(job: Job, queue: str) -> _End:
    run = await Runner.start(NAME, QUESTION, run_id=new_id(queue), run_config=config_of(job), task_queue=queue)
    return run.result


async def _wait_by_name(_worker: Child, queue: str, run_ids: Sequence[str]) -> None:
    await until_they_wait(queue, run_ids)


async def _nothing(_job: Job, _queue: str) -> None:
    """The program makes its runs itself, when it is there."""


async def _wait_in_program(program: Child, _queue: str, run_ids: Sequence[str]) -> None:
    await told(program, APPROVING, JOB, run_ids, AT_ONCE)
