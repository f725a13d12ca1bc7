"""What a turn costs on each side, of short runs and as runs get longer."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.figures import comparison
from benchmarks.job import LARGE_BYTES, SMALL_BYTES, Job
from benchmarks.loop_cost import loop_cpu_ms_per_turn
from benchmarks.sides import Sample, Side, own_sides
from benchmarks.stage import Stage

_LONGER = (10, 50, 100)
_LONGEST = (10, 100, 1000)
_WARM_UP = Job(turns=3, size=SMALL_BYTES)


async def measure_turns(stage: Stage, turns: int, runs: int) -> dict[str, Any]:
    """What a turn costs."""
    samples = await _measure(await own_sides(stage), Job(turns, SMALL_BYTES), runs)
    return {"turns": turns, "runs": runs, "size": SMALL_BYTES, "sides": comparison(samples)}


async def measure_growth(stage: Stage, runs: int, lengths: Sequence[int] = _LONGER) -> list[dict[str, Any]]:
    """What a turn costs as runs get longer."""
    compared = {name: side for name, side in (await own_sides(stage)).items() if name != "in process"}
    found: list[dict[str, Any]] = []
    for turns in lengths:
        samples = await _measure(compared, Job(turns, LARGE_BYTES), runs)
        found.append({"turns": turns, "runs": runs, "size": LARGE_BYTES, "sides": comparison(samples)})
    return found


def measure_loop() -> list[dict[str, Any]]:
    """What the loop itself costs; the first pass warms up."""
    in_all = 3 * _LONGEST[-1]
    loop_cpu_ms_per_turn(Job(_LONGEST[0], LARGE_BYTES), in_all)
    costs = {turns: loop_cpu_ms_per_turn(Job(turns, LARGE_BYTES), in_all) for turns in _LONGEST}
    return [{"turns": turns, "size": LARGE_BYTES, "cpu_ms": cost} for turns, cost in costs.items()]


async def _measure(sides: Mapping[str, Side], job: Job, runs: int) -> dict[str, list[Sample]]:
    """Does the job on all sides in turn, so that a machine that gets slower does so for all."""
    for side in sides.values():
        await side.measure(_WARM_UP)
    samples: dict[str, list[Sample]] = {name: [] for name in sides}
    for number in range(runs):
        for name in list(sides)[:: 1 if number % 2 == 0 else -1]:
            samples[name].append(await sides[name].measure(job))
            print(".", end="", file=sys.stderr, flush=True)
    return samples
