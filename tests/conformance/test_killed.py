"""A scenario whose process is killed in the middle and started again ends as if nothing had happened."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.conformance.comparison import differences_of
from tests.conformance.differences import DIFFERENCES
from tests.conformance.killing import Killed, expected, outcome, requests_of, without_usage
from tests.conformance.model_server import ModelServer
from tests.conformance.registry import all_scenarios
from tests.conformance.sides import connect_agents
from tests.thoroughness import THOROUGH

A_FEW = 12 if THOROUGH else 3  # `make chaos` kills all of them
AT_ONCE = 3


async def failures_of(count: int | None, seed: int, folder: Path) -> list[str]:
    """Kills the processes of some scenarios, chosen by the seed; says which do not end as they should."""
    chance = random.Random(seed)
    async with ModelServer() as server:
        connect_agents(server.url("agents"))
        wanted = [one for one in all_scenarios() if one.killable and not one.alone and one.name not in DIFFERENCES]
        chance.shuffle(wanted)
        suitable: list[Killed] = []
        for scenario in wanted:
            if len(suitable) != count and (found := await expected(scenario, server)) is not None:
                suitable.append(found)
        at_once = asyncio.Semaphore(AT_ONCE)

        async def failure_of(killed: Killed) -> str:
            async with at_once:
                said = await outcome(killed, server, folder, random.Random(f"{seed} {killed.scenario.name}"))
            log, got = (
                (sorted(killed.log), sorted(said["log"])) if not killed.scenario.ordered else (killed.log, said["log"])
            )
            requests = {name: requests_of(script) for name, script in sorted(killed.scripts.items())}
            left = {"ended": killed.ended, "log": log, "requests": requests}
            right = {"ended": said["ended"], "log": got, "requests": said["requests"]}
            found = differences_of(*(map(without_usage, (left, right)) if said["listed"] else (left, right)))
            return "\n  ".join([f"{killed.scenario.name!r}, killed {said['killed']}:", *found]) if found else ""

        return [text for text in await asyncio.gather(*map(failure_of, suitable)) if text]


def _seed() -> int:
    return int(os.environ.get("PERDURE_SEED") or random.randrange(1_000_000))


@pytest.mark.timeout(900)
async def test_a_few_scenarios_end_the_same_when_their_process_is_killed(tmp_path: Path) -> None:
    seed = _seed()
    failures = await failures_of(A_FEW, seed, tmp_path)
    assert not failures, f"with PERDURE_SEED={seed}:\n" + "\n".join(failures)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
async def test_every_scenario_ends_the_same_when_its_process_is_killed(tmp_path: Path) -> None:
    seed = _seed()
    failures = await failures_of(None, seed, tmp_path)
    assert not failures, f"with PERDURE_SEED={seed}:\n" + "\n".join(failures)
