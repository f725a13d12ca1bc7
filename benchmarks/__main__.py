"""Measures Perdure against a bare Temporal workflow and against other libraries, on one embedded server."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import imports, linear, long, replay, sessions, speed, streaming, waiting
from benchmarks.peers import comparing
from benchmarks.speed_table import speed_table
from benchmarks.stage import Stage, open_stage
from benchmarks.tables import growth_table, loop_table, put_into, turns_table
from benchmarks.turns import measure_growth, measure_loop, measure_turns


class Measure(NamedTuple):
    """One question: how its answer is measured on a stage, with how many turns and runs, and what its table is."""

    on: Callable[[Stage, int, int], Awaitable[Any]]
    table: Callable[[Any], str]


async def _growth(stage: Stage, _turns: int, runs: int) -> Any:
    return await measure_growth(stage, max(1, runs // 3))


async def _loop(_stage: Stage, _turns: int, _runs: int) -> Any:
    return await asyncio.to_thread(measure_loop)


def _as_it_is(measure: Callable[[Stage], Awaitable[Any]]) -> Callable[[Stage, int, int], Awaitable[Any]]:
    async def on(stage: Stage, _turns: int, _runs: int) -> Any:
        return await measure(stage)

    return on


MEASURES: Mapping[str, Measure] = {
    "speed": Measure(_as_it_is(speed.measure), speed_table),
    "turns": Measure(measure_turns, turns_table),
    "growth": Measure(_growth, growth_table),
    "loop": Measure(_loop, loop_table),
    "linear": Measure(_as_it_is(linear.measure), linear.linear_table),
    "replay": Measure(_as_it_is(replay.measure), replay.replay_table),
    "waiting": Measure(_as_it_is(waiting.measure), waiting.waiting_table),
    "long": Measure(_as_it_is(long.measure), long.long_table),
    "streaming": Measure(_as_it_is(streaming.measure), streaming.streaming_table),
    "sessions": Measure(_as_it_is(sessions.measure), sessions.sessions_table),
    "imports": Measure(_as_it_is(imports.measure), imports.imports_table),
    "peers": Measure(_as_it_is(comparing.measure), comparing.peers_table),
}


async def measure_all(names: Sequence[str], turns: int, runs: int, told: Callable[[str, Any], None]) -> None:
    """Measures one after the other on one stage, and tells each when it is there."""
    async with open_stage() as stage:
        for name in names:
            told(name, await MEASURES[name].on(stage, turns, runs))


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for: all questions, where it names none."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("measures", nargs="*", help=f"which of {', '.join(MEASURES)} (default all)")
    parser.add_argument("--turns", type=int, default=30, help="turns of a run of `turns` (default 30)")
    parser.add_argument("--runs", type=int, default=8, help="runs of each side (default 8; `growth` makes a third)")
    parser.add_argument("--json", action="store_true", help="print figures as JSON instead of tables")
    parser.add_argument("--into", type=Path, help="put the tables into this page, between `<!-- NAME -->` and its end")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.measures if name not in MEASURES]
    if unknown:
        parser.error(f"{', '.join(unknown)}: there are {', '.join(MEASURES)}")
    if chosen.turns < 1 or chosen.runs < 1:
        parser.error(f"--turns {chosen.turns} --runs {chosen.runs}: both must be at least 1")
    chosen.measures = chosen.measures or list(MEASURES)
    return chosen


def main(arguments: Sequence[str]) -> int:
    """Measures and prints."""
    chosen = options(arguments)
    found: dict[str, Any] = {}

    def told(name: str, figures: Any) -> None:
        found[name] = figures
        if not chosen.json:
            print(MEASURES[name].table(figures), flush=True)
        if chosen.into:
            put_into(chosen.into, name, MEASURES[name].table(figures))

    asyncio.run(measure_all(chosen.measures, chosen.turns, chosen.runs, told))
    if chosen.json:
        print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
