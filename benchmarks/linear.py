"""Does a turn cost the same late in a run as early in it? All but the request to the model should.

Of one run after the other, the turns around the 10th are compared with those around the 200th.
"""

from __future__ import annotations

from statistics import mean, median
from typing import Any

from benchmarks.job import LARGE_BYTES, Job
from benchmarks.stage import Stage
from benchmarks.tables import number, table
from benchmarks.watching import Turn, turns_of, watch

_PLACES = (10, 200)
_AROUND = 5  # turns on either side of each place
_RUNS = 6


async def measure(stage: Stage, places: tuple[int, int] = _PLACES, runs: int = _RUNS) -> dict[str, Any]:
    """What turns cost at each of the places; the first run warms up."""
    job = Job(places[-1] + _AROUND + 1, LARGE_BYTES)
    await watch(stage, Job(places[0] + _AROUND + 1, LARGE_BYTES))
    seen = [turns_of((await watch(stage, job))[1]) for _ in range(runs)]
    found = {place: [turn for turns in seen for turn in _around(turns, place)] for place in places}
    early, late = ([_rest(turns, place) for turns in seen] for place in places)
    return {
        "size": LARGE_BYTES,
        "runs": runs,
        "turns": {place: _figures(turns) for place, turns in found.items()},
        "ratio": median(last / first for first, last in zip(early, late, strict=True)),
    }


def _around(turns: list[Turn], place: int) -> list[Turn]:
    return turns[max(place - _AROUND, 1) - 1 : place + _AROUND]


def _rest(turns: list[Turn], place: int) -> float:
    return mean(turn.cpu_ms - turn.request_cpu_ms for turn in _around(turns, place))


def _figures(turns: list[Turn]) -> dict[str, float]:
    return {
        "cpu_ms": mean(turn.cpu_ms for turn in turns),
        "request_cpu_ms": mean(turn.request_cpu_ms for turn in turns),
        "rest_cpu_ms": mean(turn.cpu_ms - turn.request_cpu_ms for turn in turns),
        "rest_ms": median(turn.ms - turn.request_ms for turn in turns),
    }


def linear_table(found: dict[str, Any]) -> str:
    """What turns cost early and late."""
    title = f"One run, early and late: {found['runs']} runs, results of {found['size']} bytes"
    head = ["turn", "worker CPU ms", "of it the request", "the rest", "ms without the request, p50"]
    rows = [[str(place), *(number(value) for value in costs.values())] for place, costs in found["turns"].items()]
    return table(title, head, rows) + f"The rest late / early: {found['ratio']:.2f}\n"
