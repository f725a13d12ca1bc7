"""A program that runs the agent as an object: client, worker and tool are one process, so its time is that of all."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.agent import APPROVING, LOCAL, NAME, approving_agent, bench_agent, config_of, local_agent
from benchmarks.child import burst, serve_commands
from benchmarks.job import QUESTION, Job
from perdure import Runner

_AGENTS = {NAME: bench_agent, LOCAL: local_agent, APPROVING: approving_agent}


async def _run(command: dict[str, Any]) -> dict[str, Any]:
    """Makes the runs whose ids it is given, to their end; those of the approving agent until they wait."""
    name, config = command["agent"], config_of(Job.of(command["model"]))
    agent = _AGENTS[name]()

    async def to_the_end(run_id: str) -> None:
        await Runner.run(agent, QUESTION, run_id=run_id, run_config=config, max_turns=None)

    async def until_it_waits(run_id: str) -> None:
        run = await Runner.start(agent, QUESTION, run_id=run_id, run_config=config)
        async for _ in run.watch_approvals():
            return

    before = time.process_time()
    make = until_it_waits if name == APPROVING else to_the_end
    seconds = await burst(make, command["ids"], command["at_once"])
    return {"seconds": seconds, "run_cpu_seconds": time.process_time() - before}


if __name__ == "__main__":
    asyncio.run(serve_commands(run=_run))
