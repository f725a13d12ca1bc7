"""Worker processes for tests: started from a module's text, ended by their pid."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@contextlib.asynccontextmanager
async def worker(folder: Path, module: str, source: str, queue: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker that serves the agents in `source`, ready to take steps; killed at the end if it still lives."""
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(source)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "worker.py"), module, "--queue", queue,
        cwd=folder, stderr=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            said = b""
            while b"ready" not in said:
                line = await process.stderr.readline()
                assert line, f"the worker ended: {said.decode()}"
                said += line
        drain = asyncio.create_task(process.stderr.read())
        yield process
        drain.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
