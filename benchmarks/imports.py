"""What an import costs: the user CPU time of fresh interpreters that do nothing else."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
from typing import Any

from benchmarks.stage import Stage
from benchmarks.tables import number, table

_ROUNDS = 15
_FLOOR = "import temporalio.client"
_OURS = (
    "import perdure",
    "from perdure import Agent, Runner, function_tool",
    "from perdure import Run",  # with Temporal's client and ours, as the first call of `Runner` brings them
)
_TOLD = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_utime)"


async def measure(_stage: Stage, rounds: int = _ROUNDS) -> dict[str, Any]:
    """The imports, in turn; the first round of each compiles what is not compiled yet, and does not count."""
    spent: dict[str, list[float]] = {code: [] for code in (_FLOOR, *_OURS)}
    for _ in range(rounds + 1):
        for code, seconds in spent.items():
            seconds.append(await asyncio.to_thread(_user_seconds, code))
    floor = spent[_FLOOR][1:]
    return {
        "rounds": rounds,
        "imports": {
            code: {
                "cpu_ms": 1000 * statistics.median(seconds[1:]),
                "ratio": statistics.median(ours / theirs for ours, theirs in zip(seconds[1:], floor, strict=True)),
            }
            for code, seconds in spent.items()
        },
    }


def _user_seconds(code: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", f"{code}; {_TOLD}"]
    return float(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def imports_table(found: dict[str, Any]) -> str:
    """Each import, and how many times the client's that is."""
    rows = [[code, number(took["cpu_ms"]), f"{took['ratio']:.2f}"] for code, took in found["imports"].items()]
    return table(f"Imports: {found['rounds']} fresh interpreters each", ["", "user CPU ms", "/ the first"], rows)
