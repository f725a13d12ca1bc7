"""All figures of speed and size in one run: the floor, Perdure in its ways, and two other libraries, side by side.

The sides take turns, in alternating order. A turn's latency is measured where all sides are the same, at the model:
from one request of a run to the next one.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil

from benchmarks import machine
from benchmarks.agent import NAME
from benchmarks.figures import percentile_95
from benchmarks.job import SMALL_BYTES, Job
from benchmarks.replay import history, least, replayed
from benchmarks.sides import new_id, told
from benchmarks.speed_sides import BY_NAME, BY_NAME_LOCAL, DBOS, FLOOR, PLUGIN, Lane, Program, lanes
from benchmarks.stage import Stage
from benchmarks.waiting import memory

_WARM_UP = Job(3, SMALL_BYTES)

_T = TypeVar("_T")

Rounds = dict[str, dict[str, list[float]]]  # of each side and figure a value a round


class Burst(NamedTuple):
    """So many runs of so many turns, so many of them at once."""

    turns: int
    at_once: int
    runs: int

    @property
    def figure(self) -> str:
        """What its runs per second are called among the figures."""
        return f"runs_per_second_{self.at_once}_of_{self.turns}"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured.

    Attributes:
        turns: Of the runs whose turns are timed, `rounds` of them on each side.
        bursts: The runs that are counted per second, in each of `burst_rounds`.
        spawns: Of each side's process, after one that warms up.
        replayed_turns: Of the history that is replayed, `replays` times.
        waiting: The memory's growth is told from so many waiting runs to so many; the first have a warm-up in them.
    """

    turns: int = 30
    rounds: int = 7
    bursts: tuple[Burst, ...] = (Burst(10, 1, 8), Burst(10, 16, 32), Burst(10, 64, 96), Burst(3, 64, 128))
    burst_rounds: int = 2
    spawns: int = 5
    replayed_turns: int = 100
    replays: int = 7
    waiting: tuple[int, int] = (100, 200)


_FULL = Scale()


async def measure(stage: Stage, scale: Scale = _FULL) -> dict[str, Any]:
    """All figures, as a value a round for each side."""
    sides, missing = await lanes(stage)
    watch = machine.Watch(stage.server.pid)
    found: Rounds = {name: {} for name in sides}
    await _turns(stage, sides, scale, found)
    await _bursts(sides, scale, found)
    await _replays(stage, sides, scale, found)
    await _cold_starts(stage, sides, scale, found)
    await _memory(stage, sides, scale, found)
    return {
        "turns": scale.turns,
        "rounds": scale.rounds,
        "spawns": scale.spawns,
        "replayed_turns": scale.replayed_turns,
        "waiting": scale.waiting,
        "machine": machine.described(),
        "others_percent": watch.others_percent(),
        "versions": machine.versions(stage.server.version),
        "sides": found,
        "missing": missing,
    }


async def _turns(stage: Stage, sides: Mapping[str, Lane], scale: Scale, found: Rounds) -> None:
    job, server = Job(scale.turns, SMALL_BYTES), psutil.Process(stage.server.pid)
    for name, lane in sides.items():
        await lane.side.measure(_WARM_UP)
        sample = await lane.side.measure(job)
        found[name]["events"] = [sample.events / job.turns]
        found[name]["history_bytes"] = [sample.history_bytes / job.turns]
    for name, lane in _in_turn(sides, scale.rounds):
        await stage.model.do()
        server_before = machine.cpu_seconds(server)
        took = await lane.side.burst(job, 1, 1)
        server_seconds = machine.cpu_seconds(server) - server_before
        turns = turns_ms((await stage.model.do())["asked"], job)
        _add(found[name], latency_ms_p50=statistics.median(turns), latency_ms_p95=percentile_95(turns))
        _add(found[name], cpu_ms=1000 * took.cpu_seconds / job.turns)
        if name != DBOS:
            _add(found[name], server_cpu_ms=1000 * server_seconds / job.turns)


def turns_ms(asked: Sequence[tuple[int, float]], job: Job) -> list[float]:
    """How long each turn of a run took, from the model being asked to its being asked again.

    Raises:
        RuntimeError: The model was not asked once for each turn.
    """
    if [turn for turn, _ in asked] != list(range(1, job.turns + 1)):
        raise RuntimeError(f"The model was asked for the turns {[turn for turn, _ in asked]}, not 1 to {job.turns}.")
    return [1000 * (end - begin) for (_, begin), (_, end) in pairwise(asked)]


async def _bursts(sides: Mapping[str, Lane], scale: Scale, found: Rounds) -> None:
    for burst in scale.bursts:
        for name, lane in _in_turn(sides, scale.burst_rounds):
            took = await lane.side.burst(Job(burst.turns, SMALL_BYTES), burst.runs, burst.at_once)
            _add(found[name], **{burst.figure: burst.runs / took.seconds})


async def _replays(stage: Stage, sides: Mapping[str, Lane], scale: Scale, found: Rounds) -> None:
    job = Job(scale.replayed_turns, SMALL_BYTES)
    ours = {name: await history(stage, sides[name].side, job) for name in (FLOOR, BY_NAME, BY_NAME_LOCAL)}
    for name, times in (await replayed(ours, scale.replays)).items():
        _add(found[name], replay_cpu_ms=times["cpu_ms"])
    plugin = sides.get(PLUGIN)
    if plugin is None or plugin.program is None:
        return
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        file = Path(folder) / "history.json"
        file.write_text((await history(stage, plugin.side, job)).to_json())
        worker = await stage.child(plugin.program.module, plugin.program.python)
        spent = (await worker.do(history=str(file), replays=scale.replays + 1))["spent"]
    _add(found[PLUGIN], replay_cpu_ms=least(spent[1:])["cpu_ms"])


async def _cold_starts(stage: Stage, sides: Mapping[str, Lane], scale: Scale, found: Rounds) -> None:
    programs = {name: lane.program for name, lane in sides.items() if lane.program is not None}
    for number, (name, program) in enumerate(_in_turn(programs, scale.spawns + 1)):
        seconds = await _cold_start(stage, name, program)
        if number >= len(programs):
            _add(found[name], cold_ms=1000 * seconds)


async def _cold_start(stage: Stage, name: str, program: Program) -> float:
    """Seconds from the start of a side's process to its first request to the model."""
    queue = f"cold-{program.module}"
    end = await program.begin(_WARM_UP, queue)
    await stage.model.do()
    began = time.monotonic()
    child = await stage.spawn(program.module, program.python, queue)
    try:
        await (end() if end is not None else told(child, NAME, _WARM_UP, [new_id(queue)]))
    finally:
        await child.stop()
    asked = (await stage.model.do())["asked"]
    if not asked:
        raise RuntimeError(f"The new process of {name!r} did not ask the model.")
    return asked[0][1] - began


async def _memory(stage: Stage, sides: Mapping[str, Lane], scale: Scale, found: Rounds) -> None:
    for name, lane in sides.items():
        if (program := lane.program) is None:
            continue
        queue = f"waiting-{program.module}"
        child = await stage.spawn(program.module, program.python, queue)
        try:
            took = await memory(child, scale.waiting, program.waiting(child, queue))
        finally:
            await child.stop()
        _add(found[name], mb_per_100=took["mb_per_100"])
        _dot()


def _in_turn(sides: Mapping[str, _T], rounds: int) -> Iterator[tuple[str, _T]]:
    """The sides in alternating order, so that a machine that gets slower does so for all."""
    for number in range(rounds):
        yield from list(sides.items())[:: 1 if number % 2 == 0 else -1]
        _dot()


def _add(figures: dict[str, list[float]], **values: float) -> None:
    for name, value in values.items():
        figures.setdefault(name, []).append(value)


def _dot() -> None:
    print(".", end="", file=sys.stderr, flush=True)
