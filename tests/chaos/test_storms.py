"""Runs go through storms: every one ends as planned, whatever is killed, and nothing takes effect that should not.

`PERDURE_CHAOS_MINUTES` is how long the long one rages; `PERDURE_CHAOS_SEED` repeats a storm: its runs, decisions and
kills are drawn from the seed; their timing is not.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.server import stop_server
from tests.chaos.checker import complaints_about, complaints_about_strangers, complaints_about_thread
from tests.chaos.ledger import Books
from tests.chaos.storm import Ended, Storm, Weather

_CHAOS_SEED = "PERDURE_CHAOS_SEED"
_CHAOS_MINUTES = "PERDURE_CHAOS_MINUTES"
RUNS = 100
THREADS = 5
TOOLS = ("look_up", "charge", "mail", "settle")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an embedded server of its own, as the storm kills it."""
    monkeypatch.setenv("PERDURE_HOME", str(tmp_path / "home"))
    yield tmp_path
    stop_server()


async def test_a_few_runs_go_through_a_short_storm(folder: Path) -> None:
    seed = int(os.environ.get(_CHAOS_SEED) or "11")
    weather = Weather(seed, 4, 3.0, freezes=[1.0], server_kills=[4.0], calm_after=8.0, patience=90.0, threads=1)
    await check(Storm(weather, folder))


@pytest.mark.chaos
@pytest.mark.timeout(3600)
async def test_many_runs_go_through_a_long_storm(folder: Path) -> None:
    seed = int(os.environ.get(_CHAOS_SEED) or random.randrange(1_000_000))
    seconds = float(os.environ.get(_CHAOS_MINUTES) or 2.0) * 60
    weather = Weather(
        seed, RUNS, 0.75 * seconds, freezes=[seconds * part for part in (0.1, 0.3, 0.6)],
        server_kills=[seconds * part for part in (0.2, 0.7)], calm_after=1.5 * seconds, patience=2 * seconds + 180.0,
        threads=THREADS,
    )  # fmt: skip
    await check(Storm(weather, folder))


async def check(storm: Storm) -> None:
    print(f"storm of seed {storm.weather.seed} in {storm.folder}")
    async with storm.raging() as (client, ended):
        books = storm.ledger.books()
        print("storm:", json.dumps(summary(storm, ended, books)))
        complaints = list(complaints_about_strangers([*ended, *storm.talks], books))
        for run in ended:
            complaints += await complaints_about(client, run, books)
        for talk in storm.talks:
            complaints += await complaints_about_thread(client, talk, books)
    assert complaints == [], f"repeat with {_CHAOS_SEED}={storm.weather.seed}"
    damage, weather = storm.damage, storm.weather
    assert (damage.freezes, damage.server_kills) == (len(weather.freezes), len(weather.server_kills))
    assert damage.kills > 0


def summary(storm: Storm, ended: list[Ended], books: Books) -> dict[str, float]:
    recoveries = sorted(storm.ledger.recoveries(storm.killed_alone()))
    among_outages = sorted(storm.ledger.recoveries(storm.killed))
    requests = (storm.folder / "requests").read_text().splitlines()
    return {
        "seed": storm.weather.seed,
        "runs": len(ended),
        "threads": len(storm.talks),
        "messages_answered": sum(len(answers) for talk in storm.talks for answers in talk.answers),
        "closed": sum(run.outcome is not None or run.failure is not None for run in ended),
        **{name: round(value, 1) for name, value in vars(storm.damage).items()},
        "model_requests": len(requests),
        "model_requests_repeated": len(requests) - len(set(requests)),
        **{
            f"{tool}_{what}": count
            for tool in ("look_up", "charge", "mail", "settle")
            for what, count in counts(tool, books)
        },
        "charge_refused": books.refused,
        "recovered": len(recoveries),
        "recovery_p50_seconds": share(recoveries, 0.5),
        "recovery_p95_seconds": share(recoveries, 0.95),
        "recovery_p95_seconds_among_outages": share(among_outages, 0.95),
    }


def share(sorted_values: list[float], part: float) -> float:
    """The value that so large a part of them stays below."""
    return round(sorted_values[int(len(sorted_values) * part)], 2) if sorted_values else 0.0


def counts(tool: str, books: Books) -> list[tuple[str, int]]:
    tried = [count for (of, _), count in books.attempts.items() if of == tool]
    done = [count for (of, _), count in books.effects.items() if of == tool]
    return [("attempts", sum(tried)), ("effects", sum(done)), ("duplicates", sum(done) - len(done))]
