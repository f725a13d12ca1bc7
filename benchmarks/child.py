"""A process of the benchmark: it takes commands as JSON lines and ends with its input, so that none is left behind."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_MAX_LINE_BYTES = 1024 * 1024
_MARK = "= "  # before what is ours: Temporal's core logs to standard output, too

COLLECT = {"collect": True}  # a command to every process: to leave nothing for the garbage collector

Command = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


async def serve_commands(hello: dict[str, Any] | None = None, run: Command | None = None) -> None:
    """Inside the process: says hello, then answers each command with its result and the CPU time so far.

    Args:
        hello: Told to the parent once the process is ready.
        run: Does a command; without it a command only asks for the time.
    """
    _say(hello or {})
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        if command == COLLECT:
            gc.collect()
            result: dict[str, Any] = {}
        else:
            result = await run(command) if run is not None else {}
        _say({**result, "cpu_seconds": time.process_time()})


def queue(own: str) -> str:
    """Inside the process: the queue that it was told to serve, or the one of its own."""
    return os.environ.get("BENCH_QUEUE", own)


async def burst(run: Callable[[str], Awaitable[object]], ids: Sequence[str], at_once: int) -> float:
    """Makes a run for each id, so many at once; the seconds that all took."""
    turnstile = asyncio.Semaphore(at_once)

    async def one(run_id: str) -> None:
        async with turnstile:
            await run(run_id)

    began = time.perf_counter()
    await asyncio.gather(*map(one, ids))
    return time.perf_counter() - began


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(f"{_MARK}{json.dumps(value)}\n")
    sys.stdout.flush()


class Child:
    """The parent's end.

    Attributes:
        hello: What the process said when it was ready.
    """

    def __init__(self, module: str, process: asyncio.subprocess.Process) -> None:
        self.hello: dict[str, Any] = {}
        self._module = module
        self._process = process

    @classmethod
    async def start(cls, module: str, environment: dict[str, str], python: str = sys.executable) -> Child:
        """Starts `python -m MODULE` and waits until it is ready.

        Raises:
            RuntimeError: The process ended or was silent; what it said is on standard error.
        """
        process = await asyncio.create_subprocess_exec(
            python,
            "-m",
            module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            cwd=_ROOT,
            limit=_MAX_LINE_BYTES,
        )
        child = cls(module, process)
        try:
            async with asyncio.timeout(_START_SECONDS):
                child.hello = await child._answer()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        return child

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def do(self, **command: Any) -> dict[str, Any]:
        """Sends a command and waits for its result.

        Raises:
            RuntimeError: The process has ended.
        """
        if self._process.stdin is None:
            raise RuntimeError(f"{self._module} has no input")
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()
        return await self._answer()

    async def stop(self) -> None:
        """Ends the process: in order, or after 15 s by force."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _answer(self) -> dict[str, Any]:
        if self._process.stdout is None:
            raise RuntimeError(f"{self._module} has no output")
        while line := (await self._process.stdout.readline()).decode():
            if line.startswith(_MARK):
                return json.loads(line.removeprefix(_MARK))
            sys.stderr.write(line)
        raise RuntimeError(f"{self._module} ended (exit code {await self._process.wait()}); see above for why.")
