"""Measures Perdure against a bare Temporal workflow that does the same job, on one embedded server."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from benchmarks.figures import comparison
from benchmarks.job import Job
from benchmarks.loop_cost import loop_cpu_ms_per_turn
from benchmarks.sides import Sample, Side, running_sides
from benchmarks.tables import growth_table, loop_table, turns_table
from perdure.server import ensure_server, stop_server

TABLES = ("turns", "growth", "loop")
_SMALL_BYTES = 20  # a trivial tool's result
_LARGE_BYTES = 2048  # a page of JSON, as a search or a record gives
_LONGER = (10, 50, 100)
_LONGEST = (10, 100, 1000)
_WARM_UP = Job(turns=3, size=_SMALL_BYTES)


async def measure(sides: Mapping[str, Side], job: Job, runs: int) -> dict[str, list[Sample]]:
    """Does the job on all sides in turn, so that a machine that gets slower does so for all."""
    samples: dict[str, list[Sample]] = {name: [] for name in sides}
    for number in range(runs):
        for name in list(sides)[:: 1 if number % 2 == 0 else -1]:
            samples[name].append(await sides[name].measure(job))
            print(".", end="", file=sys.stderr, flush=True)
    return samples


async def measure_turns(sides: Mapping[str, Side], turns: int, runs: int) -> dict[str, Any]:
    """What a turn costs."""
    samples = await measure(sides, Job(turns, _SMALL_BYTES), runs)
    return {"turns": turns, "runs": runs, "size": _SMALL_BYTES, "sides": comparison(samples)}


async def measure_growth(sides: Mapping[str, Side], runs: int) -> list[dict[str, Any]]:
    """What a turn costs as runs get longer."""
    compared = {name: side for name, side in sides.items() if name != "in process"}
    found: list[dict[str, Any]] = []
    for turns in _LONGER:
        samples = await measure(compared, Job(turns, _LARGE_BYTES), runs)
        found.append({"turns": turns, "runs": runs, "size": _LARGE_BYTES, "sides": comparison(samples)})
    return found


def measure_loop() -> list[dict[str, Any]]:
    """What the loop itself costs; the first pass warms up."""
    in_all = 3 * _LONGEST[-1]
    loop_cpu_ms_per_turn(Job(_LONGEST[0], _LARGE_BYTES), in_all)
    costs = {turns: loop_cpu_ms_per_turn(Job(turns, _LARGE_BYTES), in_all) for turns in _LONGEST}
    return [{"turns": turns, "size": _LARGE_BYTES, "cpu_ms": cost} for turns, cost in costs.items()]


async def measure_all(tables: Sequence[str], turns: int, runs: int) -> dict[str, Any]:
    """The figures of all tables that are wanted."""
    found: dict[str, Any] = {}
    if "loop" in tables:
        found["loop"] = measure_loop()
    if "turns" in tables or "growth" in tables:
        with own_server() as address:
            async with running_sides(address) as sides:
                await measure(sides, _WARM_UP, 1)
                if "turns" in tables:
                    found["turns"] = await measure_turns(sides, turns, runs)
                if "growth" in tables:
                    found["growth"] = await measure_growth(sides, max(1, runs // 3))
        print(file=sys.stderr)
    return found


@contextlib.contextmanager
def own_server() -> Generator[str]:
    """An embedded server of the benchmark's own, empty and ended afterwards, whatever else is configured."""
    kept = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        for name in [name for name in os.environ if name.startswith(("TEMPORAL_", "PERDURE_"))]:
            del os.environ[name]
        os.environ["PERDURE_HOME"] = folder
        os.environ["TEMPORAL_CONFIG_FILE"] = os.path.join(folder, "temporal.toml")  # there is none
        try:
            yield ensure_server().address
        finally:
            stop_server()
            os.environ.clear()
            os.environ.update(kept)


def main(arguments: Sequence[str]) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--turns", type=int, default=30, help="turns of a run (default 30)")
    parser.add_argument("--runs", type=int, default=8, help="runs of each side (default 8; growth makes a third)")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES, help="which tables (default all)")
    parser.add_argument("--json", action="store_true", help="print figures as JSON instead of tables")
    chosen = parser.parse_args(arguments)
    if chosen.turns < 1 or chosen.runs < 1:
        parser.error(f"--turns {chosen.turns} --runs {chosen.runs}: both must be at least 1")
    found = asyncio.run(measure_all(chosen.tables, chosen.turns, chosen.runs))
    if chosen.json:
        print(json.dumps(found, indent=2))
        return 0
    for name, table in (("turns", turns_table), ("growth", growth_table), ("loop", loop_table)):
        if name in found:
            print(table(found[name]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
