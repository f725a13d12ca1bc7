"""Processes that the tests of the embedded server start and look for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[3]


class Script:
    """A Python program in a process of its own, in the same data folder."""

    def __init__(self, code: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ.copy()
        )

    def output(self) -> str:
        printed, _ = self.process.communicate(timeout=30)
        assert self.process.returncode == 0
        return printed.strip()


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def servers_on(home: Path) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(home / "temporal.db") in (process.info["cmdline"] or [])
    ]
