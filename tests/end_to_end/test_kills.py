"""A script that is killed and started again goes on where it was, and each effect is there once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.thoroughness import THOROUGH

SCRIPT = Path(__file__).with_name("killed_script.py")
ROOT = SCRIPT.parents[2]


async def script(run_id: str, ledger: Path, where: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), run_id, str(ledger), where,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def killed_and_started_again(tmp_path: Path, where: str) -> tuple[str, list[str]]:
    ledger = tmp_path / f"{where}.ledger"
    run_id = f"killed-{where.replace(' ', '-')}-{os.getpid()}"
    first, _, _ = await script(run_id, ledger, where)
    assert first == -signal.SIGKILL, f"the script was not killed {where!r}"
    code, out, err = await script(run_id, ledger, where)
    assert code == 0, err
    again, same, _ = await script(run_id, ledger, where)
    assert (again, same) == (0, out), "a third start gives another result"
    return out.strip(), [line.split()[0] for line in ledger.read_text().splitlines()]


REPEATABLE = ["model", "before book", "after book", "waiting", "before pay", "after pay"]
ONCE = ["before send", "after send"]  # of a tool with approval that does not say it may be repeated


A_FEW = ["model", "after book", "waiting", "after pay", "after send"]


async def test_a_script_killed_anywhere_finishes_when_started_again_with_each_effect_once(tmp_path: Path) -> None:
    places = [where for where in REPEATABLE + ONCE if THOROUGH or where in A_FEW]
    runs = [killed_and_started_again(tmp_path, where) for where in places]  # at once: most of it is waiting
    for where, (said, effects) in zip(places, await asyncio.gather(*runs), strict=True):
        assert said.startswith("all done | book done | pay done | "), where
        assert (effects.count("book"), effects.count("pay")) == (1, 1), where
        assert effects.count("send") == (0 if "unknown" in said and where != "after send" else 1), where
        if where in ONCE:
            assert "The outcome of this call is unknown" in said, where
        elif "pay" not in where:
            assert said.endswith("send done"), where
