"""A process that dies at any of the places where that hurts loses nothing and does nothing twice.

`PERDURE_FAILPOINTS` names the places, by commas, or `all`; `make chaos` takes all of them.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from perdure.failpoints import FAILPOINTS
from perdure.rooms import ROOMS

SCRIPT = Path(__file__).with_name("failing_script.py")
ROOT = SCRIPT.parents[2]
NUMBERS = range(2, 7)
EFFECTS = sorted(["look 1", *(f"{tool} {number}" for number in NUMBERS for tool in ("pay", "look"))])
ITEMS = 1 + 2 + 4 * len(NUMBERS) + 1  # the input, the turns' calls and outputs, the answer
SAID = f"{ITEMS} items | all done | look 1 done | " + " | ".join(
    f"pay {number} done | look {number} done" for number in NUMBERS
)
A_FEW = ["effect ended", "continue begins"]
# Come only after another death: nothing is pulled before, and nobody is asked what became of an effect.
BEFORE = {"pull": "effect ended", "resolve": "tell begins"}


async def script(run_id: str, ledger: Path, failpoint: str, marker: Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), run_id, str(ledger), failpoint,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PERDURE_FAILPOINT": f"{failpoint}={marker}"},
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def complaints(folder: Path, failpoint: str) -> list[str]:
    """What is wrong with a run whose process dies at a place, after another death where it takes one to get there."""
    name = failpoint.replace(" ", "-")
    run_id, ledger = f"fails-{name}-{os.getpid()}", folder / f"{name}.ledger"
    before = BEFORE.get(failpoint.partition(" ")[0])
    deaths = [failpoint] if before is None else [before, failpoint]
    for place in deaths:
        marker = folder / f"{name}.{place.replace(' ', '-')}"
        code, _, err = await script(run_id, ledger, place, marker)
        if code != -signal.SIGKILL:
            return [f"{failpoint}: the process did not die at {place!r}, it ended with {code}: {err[-500:]}"]
    code, out, err = await script(run_id, ledger, "none", folder / name)
    found = [] if code == 0 else [f"{failpoint}: the last process ended with {code}: {err[-500:]}"]
    if out.strip() != SAID:
        found.append(f"{failpoint}: the run said {out.strip()!r}")
    if (effects := sorted(ledger.read_text().splitlines())) != EFFECTS:
        found.append(f"{failpoint}: the effects are {effects}")
    return found


async def check(folder: Path, failpoints: list[str]) -> None:
    at_once = asyncio.Semaphore(4)

    async def one(failpoint: str) -> list[str]:
        async with at_once:
            return await complaints(folder, failpoint)

    assert [text for texts in await asyncio.gather(*map(one, failpoints)) for text in texts] == []


def test_every_place_in_the_code_is_known_by_name_and_every_name_is_a_place() -> None:
    texts = [file.read_text() for room in ("perdure", *ROOMS) for file in (ROOT / room).rglob("*.py")]
    literal = {name for text in texts for name in re.findall(r'reach\("([a-z ]+)"\)', text)}
    by_kind = {
        f"{kind} {moment}"
        for kind in ("tool", "guardrail", "hook", "call", "session")
        for moment in ("begins", "ended")
    }
    assert literal | by_kind == set(FAILPOINTS)


@pytest.mark.timeout(300)
async def test_a_process_that_dies_in_a_bad_moment_does_no_harm(tmp_path: Path) -> None:
    await check(tmp_path, A_FEW)


@pytest.mark.chaos
@pytest.mark.timeout(1200)
async def test_a_process_that_dies_anywhere_does_no_harm(tmp_path: Path) -> None:
    named = os.environ.get("PERDURE_FAILPOINTS") or "all"
    await check(tmp_path, list(FAILPOINTS) if named == "all" else named.split(","))
