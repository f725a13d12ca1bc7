"""How long it takes to replay a run's history: what a worker does that takes over a run.

A replay is the same work each time, so the least time that it took is told: what comes on top is the machine's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from benchmarks.floor import Floor
from benchmarks.job import LARGE_BYTES, Job
from benchmarks.sides import Side, by_name_side, floor_side
from benchmarks.stage import Stage
from benchmarks.tables import number, table
from perdure.contracts.converter import data_converter
from perdure.rooms import load_room

_TURNS = 100
_RUNS = 15


async def measure(stage: Stage, turns: int = _TURNS, runs: int = _RUNS) -> dict[str, Any]:
    """The replays of one history of each side, in turn; the first of each warms up."""
    job = Job(turns, LARGE_BYTES)
    sides: dict[str, Side] = {"floor": await floor_side(stage), "by name": await by_name_side(stage)}
    times = await replayed({name: await history(stage, side, job) for name, side in sides.items()}, runs)
    ratio = times["by name"]["cpu_ms"] / times["floor"]["cpu_ms"]
    return {"turns": turns, "size": LARGE_BYTES, "runs": runs, "sides": times, "ratio": ratio}


async def replayed(histories: Mapping[str, WorkflowHistory], runs: int) -> dict[str, dict[str, float]]:
    """What the replays of the floor's and of Perdure's histories took, in turn; the first of each warms up."""
    perdure = Replayer(workflows=[load_room("workflows.agent_run").AgentRun], data_converter=data_converter)
    floor = Replayer(workflows=[Floor], data_converter=pydantic_data_converter)
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in histories}
    for _ in range(runs + 1):
        for name, each in histories.items():
            spent[name].append(await _replay(floor if name == "floor" else perdure, each))
    return {name: least(each[1:]) for name, each in spent.items()}


async def history(stage: Stage, side: Side, job: Job) -> WorkflowHistory:
    """The history of a run that does the job."""
    return await stage.client.get_workflow_handle((await side.measure(job)).run_id).fetch_history()


async def _replay(replayer: Replayer, history: WorkflowHistory) -> tuple[float, float]:
    began, cpu = time.perf_counter(), time.process_time()
    await replayer.replay_workflow(history)
    return time.perf_counter() - began, time.process_time() - cpu


def least(spent: Sequence[tuple[float, float]]) -> dict[str, float]:
    """The least milliseconds and CPU milliseconds."""
    return {"ms": 1000 * min(each[0] for each in spent), "cpu_ms": 1000 * min(each[1] for each in spent)}


def replay_table(found: dict[str, Any]) -> str:
    """Both replays."""
    title = f"Replay of a history of {found['turns']} turns, results of {found['size']} bytes: {found['runs']} each"
    rows = [[side, number(took["ms"]), number(took["cpu_ms"])] for side, took in found["sides"].items()]
    return table(title, ["", "ms", "CPU ms"], rows) + f"CPU by name / floor: {found['ratio']:.2f}\n"
