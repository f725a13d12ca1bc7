"""A scenario whose process is killed in the middle and started again ends as if nothing had happened."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.conformance.comparison import differences_of
from tests.conformance.differences import DIFFERENCES
from tests.conformance.killing import Ended, Killed, as_adopted, expected, outcomes, requests_of
from tests.conformance.model_server import ModelServer
from tests.conformance.registry import all_scenarios
from tests.conformance.sides import connect_agents
from tests.thoroughness import THOROUGH

ONE_IN = 10 if THOROUGH else 70  # `make chaos` kills all of them
TOGETHER = 10  # in one process: its death is that of them all
AT_ONCE = 2


async def failures_of(one_in: int, seed: int, folder: Path) -> list[str]:
    """Kills the processes of some scenarios, chosen by the seed; says which do not end as they should."""
    chance = random.Random(seed)
    scenarios = all_scenarios()
    async with ModelServer() as server:
        connect_agents(server.url("agents"))
        wanted = [one for one in scenarios if one.killable and not one.alone and one.name not in DIFFERENCES]
        chance.shuffle(wanted)
        suitable: list[Killed] = []
        for scenario in wanted:
            if len(suitable) * one_in < len(scenarios) and (found := await expected(scenario, server)) is not None:
                suitable.append(found)
        at_once = asyncio.Semaphore(AT_ONCE)

        async def failures(group: list[Killed]) -> list[str]:
            async with at_once:
                own = random.Random(f"{seed} {group[0].scenario.name}")
                ended = await outcomes(group, server, folder, own)
            return [said for one, end in zip(group, ended, strict=True) if (said := _failure(one, end))]

        groups = [suitable[at : at + TOGETHER] for at in range(0, len(suitable), TOGETHER)]
        return [text for texts in await asyncio.gather(*map(failures, groups)) for text in texts]


def _failure(killed: Killed, end: Ended) -> str:
    """Where a scenario did not end as it should; in which order two calls ran that ran at once is left to chance."""
    requests = {name: requests_of(script) for name, script in sorted(killed.scripts.items())}
    left = {"ended": killed.ended, "log": sorted(killed.log), "requests": requests}
    right = {"ended": end.ended, "log": sorted(end.log), "requests": end.requests}
    found = differences_of(*(map(as_adopted, (left, right)) if end.adopted else (left, right)))
    return "\n  ".join([f"{killed.scenario.name!r}, killed {end.when}:", *found]) if found else ""


def _seed(default: int) -> int:
    return int(os.environ.get("PERDURE_SEED") or default)


@pytest.mark.thorough
@pytest.mark.timeout(900)
async def test_some_scenarios_end_the_same_when_their_process_is_killed(tmp_path: Path) -> None:
    seed = _seed(7)  # always the same ones: what a change must pass is not left to chance
    failures = await failures_of(ONE_IN, seed, tmp_path)
    assert not failures, f"with PERDURE_SEED={seed}:\n" + "\n".join(failures)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
async def test_every_scenario_ends_the_same_when_its_process_is_killed(tmp_path: Path) -> None:
    seed = _seed(random.randrange(1_000_000))
    failures = await failures_of(1, seed, tmp_path)
    assert not failures, f"with PERDURE_SEED={seed}:\n" + "\n".join(failures)
