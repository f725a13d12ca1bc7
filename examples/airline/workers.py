"""The demo's worker: `perdure worker` in a process of its own, so that it can be killed and another one started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import Mapping

AGENTS = f"{__package__}.agent"
CLI = "perdure.cli"  # `perdure`, also where that is not on the PATH
READY = "perdure worker: ready"  # the command's line on stderr once it polls for work

START_SECONDS = 60.0  # imports on a busy machine
STOP_SECONDS = 10.0  # from SIGTERM, with nothing under way
SAID_LINES = 15  # of stderr, kept for the error that says why a worker ended


class WorkerEndedError(Exception):
    """The worker ended, or never became ready, and nobody had asked it to."""


class Workers:
    """One worker at a time on one task queue; `async with` ends what it started."""

    def __init__(self, queue: str, environment: Mapping[str, str]) -> None:
        self.queue = queue
        self._environment = {**os.environ, **environment}
        self._process: Process | None = None
        self._said: deque[str] = deque(maxlen=SAID_LINES)
        self._ready = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._asked = False  # to end
        self._unasked = asyncio.Event()  # ended all the same

    @property
    def pid(self) -> int:
        """The process id of the worker that runs."""
        return self._running.pid

    async def __aenter__(self) -> Workers:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start a worker and wait until it takes work.

        Raises:
            WorkerEndedError: It ended instead, or was not ready in time.
        """
        command = [sys.executable, "-m", CLI, "worker", AGENTS, "--queue", self.queue]
        # A session of its own: Ctrl-C in the terminal is for the demo, which then stops the worker.
        self._process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, env=self._environment, start_new_session=True
        )
        self._asked = False
        self._said.clear()
        self._ready.clear()
        self._reading = asyncio.create_task(self._read(self._process))
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._ready.wait()
        except TimeoutError:
            raise WorkerEndedError(self._why(f"was not ready within {START_SECONDS:g} s")) from None
        if self._process.returncode is not None:
            raise WorkerEndedError(self._why(f"ended with code {self._process.returncode} before it was ready"))

    async def watch(self) -> None:
        """Wait for as long as the worker runs as it should.

        Raises:
            WorkerEndedError: It ended unasked.
        """
        await self._unasked.wait()
        raise WorkerEndedError(self._why("ended unasked"))

    def freeze(self) -> None:
        """Let the worker stand still, in the middle of whatever it does."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen worker go on."""
        self._running.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL: the worker gets no chance to finish, report or clean up anything."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask the worker to end; one that does not is killed."""
        if self._process is None or self._process.returncode is not None:
            return
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._end(signal.SIGTERM)
        except TimeoutError:
            await self._end(signal.SIGKILL)

    async def _end(self, how: signal.Signals) -> None:
        self._asked = True
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            self._running.send_signal(how)
        await self._running.wait()
        if self._reading is not None:
            await self._reading

    async def _read(self, process: Process) -> None:
        assert process.stderr is not None  # asked for above
        while line := await process.stderr.readline():
            text = line.decode(errors="backslashreplace").rstrip()
            self._said.append(text)
            if READY in text:
                self._ready.set()
        await process.wait()
        self._ready.set()  # whoever waits finds it ended
        if not self._asked:
            self._unasked.set()

    def _why(self, what: str) -> str:
        said = "\n".join(f"  {line}" for line in self._said) or "  (nothing)"
        return f"The worker (process {self.pid}) {what}. It said last:\n{said}"

    @property
    def _running(self) -> Process:
        if self._process is None:
            raise WorkerEndedError("No worker has been started.")
        return self._process
