"""A program that runs the agent as an object: client, worker and tool are one process, so its time is that of all."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.agent import bench_agent, config_of
from benchmarks.child import serve_commands
from benchmarks.job import QUESTION, Job
from perdure import Runner


async def _run(command: dict[str, Any]) -> dict[str, Any]:
    job = Job.of(command["model"])
    before, began = time.process_time(), time.perf_counter()
    await Runner.run(bench_agent(), QUESTION, run_id=command["id"], run_config=config_of(job), max_turns=None)
    return {"seconds": time.perf_counter() - began, "run_cpu_seconds": time.process_time() - before}


if __name__ == "__main__":
    asyncio.run(serve_commands(run=_run))
