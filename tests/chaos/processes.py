"""The processes of a storm: the model provider and the workers, ended by their pids."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos.clerk import LEDGER

ROOT = Path(__file__).resolve().parents[2]
_READY_SECONDS = 60.0


def start_provider(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """The provider, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.provider", str(folder / "requests")],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


class Workers:
    """Worker processes by place; each place has one log, whoever fills it.

    The one in the first place keeps no run in memory: it replays each from its history at every step.
    """

    def __init__(self, folder: Path, queue: str, provider: str, note: Callable[[str], None]) -> None:
        self._folder, self._queue, self._note = folder, queue, note
        settings = {"PYTHONPATH": str(ROOT), LEDGER: str(folder / "ledger.sqlite"), "OPENAI_BASE_URL": provider}
        self._environment = {**os.environ, **settings}
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._frozen: set[int] = set()
        self.ended_by_themselves = 0

    def start(self, place: int) -> None:
        cache = {"PERDURE_MAX_CACHED_WORKFLOWS": "0"} if place == 0 else {}
        with self.log(place).open("ab") as log:
            self._processes[place] = subprocess.Popen(
                [sys.executable, str(ROOT / "worker.py"), "tests.chaos.clerk", "--queue", self._queue],
                cwd=ROOT, env=self._environment | cache, stdout=log, stderr=log,
            )  # fmt: skip

    def log(self, place: int) -> Path:
        return self._folder / f"worker-{place}.log"

    @property
    def awake(self) -> list[int]:
        return sorted(set(self._processes) - self._frozen)

    def place_of(self, pid: int) -> int | None:
        """Where an awake worker with this process id is."""
        return next((place for place in self.awake if self._processes[place].pid == pid), None)

    def pid_of(self, place: int) -> int:
        return self._processes[place].pid

    def kill(self, place: int) -> None:
        process = self._processes[place]
        process.kill()
        process.wait()

    def freeze(self, place: int) -> None:
        self._frozen.add(place)
        self._processes[place].send_signal(signal.SIGSTOP)

    def thaw(self, place: int) -> None:
        self._processes[place].send_signal(signal.SIGCONT)
        self._frozen.discard(place)

    def replace_those_that_ended(self) -> None:
        for place, process in list(self._processes.items()):
            if process.poll() is not None:
                self.ended_by_themselves += 1
                self._note(f"worker {place} ended by itself with {process.returncode}")
                self.start(place)

    def wait_until_one_is_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not any("perdure worker: ready" in self.log(place).read_text() for place in self._processes):
            assert time.monotonic() < deadline, f"no worker is ready after {_READY_SECONDS:g} s"
            time.sleep(0.05)

    def close(self) -> None:
        for place in list(self._processes):
            self.kill(place)
