"""A script that is killed and started again goes on where it was, and each effect is there once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.thoroughness import THOROUGH

SCRIPT = Path(__file__).with_name("killed_script.py")


async def script(run_id: str, ledger: Path, where: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), run_id, str(ledger), where,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
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


PLACES = ["model", "before book", "after book", "waiting", "before pay", "after pay", "before send", "after send"]
A_FEW = ["after book", "waiting", "after send"]


async def test_a_script_killed_anywhere_finishes_when_started_again_with_each_effect_once(tmp_path: Path) -> None:
    places = [where for where in PLACES if THOROUGH or where in A_FEW]
    runs = [killed_and_started_again(tmp_path, where) for where in places]  # at once: most of it is waiting
    for where, (said, effects) in zip(places, await asyncio.gather(*runs), strict=True):
        assert said == "all done | book done | pay done | send done", where
        assert sorted(effects) == ["book", "pay", "send"], where
