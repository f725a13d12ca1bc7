"""A script that is killed and started again goes on where it was, and each effect is there once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

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


PLACES = ["model", "before book", "after book", "waiting", "before pay", "after pay"]


async def test_a_script_killed_anywhere_finishes_when_started_again_with_each_effect_once(tmp_path: Path) -> None:
    runs = [killed_and_started_again(tmp_path, where) for where in PLACES]
    for where, (said, effects) in zip(PLACES, await asyncio.gather(*runs), strict=True):
        assert said.startswith("all done | book done | pay done | "), where
        assert sorted(effects) in (["book", "pay", "send"], ["book", "pay"]), where
        assert ("send" in effects) == said.endswith("send done") or "unknown" in said, where


@pytest.mark.parametrize("where", ["before send", "after send"])
async def test_a_call_that_must_not_be_repeated_is_told_as_unknown(tmp_path: Path, where: str) -> None:
    said, effects = await killed_and_started_again(tmp_path, where)
    assert "The outcome of this call is unknown" in said
    assert effects.count("send") == (1 if where == "after send" else 0)
    assert effects.count("pay") == 1
