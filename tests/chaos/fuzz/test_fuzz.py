"""Nothing wedges a run: whatever comes in at any entrance, it ends, waits and says for what, or is refused at the door.

`PERDURE_SEED` repeats what is drawn; it is printed.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.chaos.fuzz.entering import Fuzz
from tests.chaos.fuzz.starting import served

ALL_VALUES = 5000


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that are started with another model's name find nobody at its address."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")


async def test_a_few_hundred_values_wedge_no_run() -> None:
    fuzz = await entered(int(os.environ.get("PERDURE_SEED") or 7), messages=70, starts=6, code=1, by_hand=1)
    assert sum(fuzz.entered.values()) >= 300
    assert not fuzz.complaints, f"with PERDURE_SEED={fuzz.seed}:\n" + "\n".join(fuzz.complaints)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
async def test_thousands_of_values_wedge_no_run() -> None:
    seed = int(os.environ.get("PERDURE_SEED") or random.randrange(1_000_000))
    fuzz = await entered(seed, messages=500, starts=200, code=60, by_hand=None)
    assert sum(fuzz.entered.values()) >= ALL_VALUES
    assert not fuzz.complaints, f"with PERDURE_SEED={fuzz.seed}:\n" + "\n".join(fuzz.complaints)


async def entered(seed: int, *, messages: int, starts: int, code: int, by_hand: int | None) -> Fuzz:
    """Puts values in everywhere: so many messages of each kind, starts of each kind, and values by each way of code."""
    async with served() as (client, queue, genuine):
        fuzz = Fuzz(client, seed)
        print(f"PERDURE_SEED={seed}")
        await fuzz.send_messages(messages)
        await fuzz.speak(messages)
        await fuzz.start_runs(queue, genuine, starts)
        await fuzz.enter_by_code(code, by_hand)
    print(f"{sum(fuzz.entered.values())} values: {fuzz.entered}")
    return fuzz
