"""One very long run: how large its histories get, and whether its worker's memory and its turns stay as they were."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, cast

from temporalio.client import Client

from benchmarks.job import LARGE_BYTES, Job
from benchmarks.stage import Stage
from benchmarks.tables import number, table
from benchmarks.watched import Mark
from benchmarks.watching import turns_of, watch

_MARKS = (200, 1000, 2000)
_WINDOW = 50  # turns up to each mark, whose costs are told


async def measure(stage: Stage, places: Sequence[int] = _MARKS) -> dict[str, Any]:
    """A run of as many turns as the last place says."""
    run_id, marks = await watch(stage, Job(places[-1], LARGE_BYTES))
    histories = await _histories(stage.client, run_id)
    return {
        "turns": places[-1],
        "size": LARGE_BYTES,
        "histories": len(histories),
        "largest_bytes": max(size for _, size in histories),
        "largest_events": max(events for events, _ in histories),
        "marks": {place: _at(marks, place) for place in places},
    }


def _at(marks: list[Mark], place: int) -> dict[str, float]:
    turns = turns_of(marks[max(place - 1 - _WINDOW, 0) : place])
    return {
        "rss_mb": marks[place - 1].rss_bytes / 1e6,
        "ms": median(turn.ms for turn in turns),
        "rest_ms": median(turn.ms - turn.request_ms for turn in turns),
        "cpu_ms": median(turn.cpu_ms for turn in turns),
        "rest_cpu_ms": median(turn.cpu_ms - turn.request_cpu_ms for turn in turns),
    }


async def _histories(client: Client, run_id: str) -> list[tuple[int, int]]:
    """Events and bytes of each of a run's histories, from the first to the last."""
    last = cast("Any", (await client.get_workflow_handle(run_id).describe()).raw_info)
    execution, found = last.first_run_id, list[tuple[int, int]]()
    while execution:
        handle = client.get_workflow_handle(run_id, run_id=execution)
        info = cast("Any", (await handle.describe()).raw_info)
        found.append((info.history_length, info.history_size_bytes))
        end = (await handle.fetch_history()).events[-1]
        execution = end.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return found


def long_table(found: dict[str, Any]) -> str:
    """The run at each of the places."""
    title = f"One run of {found['turns']} turns, results of {found['size']} bytes"
    head = ["turn", "worker MB", "ms, p50", "without the request", "worker CPU ms, p50", "without the request"]
    rows = [[str(place), *(number(value) for value in costs.values())] for place, costs in found["marks"].items()]
    largest = f"the largest of {found['largest_bytes']:,} bytes and {found['largest_events']:,} events"
    return table(title, head, rows) + f"{found['histories']} histories, {largest}\n"
