"""Nothing wedges a run or a thread: whatever comes in, it ends, waits and says for what, or is refused at the door.

`PERDURE_SEED` repeats what is drawn; it is printed.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.chaos.fuzz.entering import KINDS
from tests.chaos.fuzz.starting import served
from tests.chaos.fuzz.talking import Talking

ALL_VALUES = 5000


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that are started with another model's name find nobody at its address."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")


async def test_a_few_hundred_values_wedge_no_run() -> None:
    seed = int(os.environ.get("PERDURE_SEED") or 7)
    async with entering(seed) as (fuzz, queue, genuine):
        await fuzz.send_messages(45)
        await fuzz.speak(45)
        await fuzz.stop_runs(10)
        await fuzz.start_runs(queue, genuine, 4)
        await fuzz.enter_by_code(1, 1)
    assert sum(fuzz.entered.values()) >= 200
    assert not fuzz.complaints, fuzz.said


async def test_a_hundred_values_wedge_no_thread() -> None:
    seed = int(os.environ.get("PERDURE_SEED") or 7)
    async with entering(seed) as (fuzz, queue, genuine):
        await fuzz.talk(25)
        await fuzz.talk_with_agents(queue, genuine, 4)
        await fuzz.call_in_python(1)
        await fuzz.enter_threads_by_code(KINDS[seed % 5 :: 5], 1)
    assert sum(fuzz.entered.values()) >= 100
    assert not fuzz.complaints, fuzz.said


@pytest.mark.chaos
@pytest.mark.timeout(3600)
async def test_thousands_of_values_wedge_no_run_and_no_thread() -> None:
    async with entering(int(os.environ.get("PERDURE_SEED") or random.randrange(1_000_000))) as (fuzz, queue, genuine):
        await fuzz.send_messages(500)
        await fuzz.speak(500)
        await fuzz.stop_runs(300)
        await fuzz.talk(400)
        await fuzz.talk_with_agents(queue, genuine, 200)
        await fuzz.call_in_python(40)
        await fuzz.start_runs(queue, genuine, 200)
        await fuzz.enter_by_code(60)
        await fuzz.enter_threads_by_code(KINDS, 15)
    assert sum(fuzz.entered.values()) >= ALL_VALUES
    assert not fuzz.complaints, fuzz.said


@contextlib.asynccontextmanager
async def entering(seed: int) -> AsyncGenerator[tuple[Talking, str, dict[str, Any]]]:
    """What puts values in, a worker's queue and right inputs; says afterwards how many there were."""
    async with served() as (client, queue, genuine):
        fuzz = Talking(client, seed)
        print(f"PERDURE_SEED={seed}")
        yield fuzz, queue, genuine
    print(f"{sum(fuzz.entered.values())} values: {fuzz.entered}")
