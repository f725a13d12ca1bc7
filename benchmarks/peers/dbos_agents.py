"""The job on DBOS, as `dbos-openai-agents` shows it: a workflow in this process, its steps in a SQLite database.

There is no server: client, worker, tool and database are one program.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from agents import Agent, RunConfig, function_tool
from dbos import DBOS, SetWorkflowID
from dbos_openai_agents import DBOSRunner

from benchmarks.child import burst, queue, serve_commands
from benchmarks.job import INSTRUCTIONS, QUESTION, take_sample

_CONFIG = RunConfig(tracing_disabled=True)
_LONG_SECONDS = 3600.0
_STEPS = "SELECT count(*), sum(length(CAST(output AS BLOB))) FROM operation_outputs WHERE workflow_uuid = ?"

_waiting: dict[str, asyncio.Event] = {}


@function_tool
@DBOS.step()
async def sample(number: int, size: int) -> str:
    """Take one sample."""
    return take_sample(number, size)


@function_tool(name_override="sample", needs_approval=True)
@DBOS.step()
async def approved_sample(number: int, size: int) -> str:
    """Take one sample."""
    return take_sample(number, size)


@DBOS.workflow()
async def bench(model: str) -> str:
    """Runs to the model's last word."""
    agent = Agent(name="Bench", instructions=INSTRUCTIONS, model=model, tools=[sample])
    return (await DBOSRunner.run(agent, QUESTION, max_turns=100_000, run_config=_CONFIG)).final_output


@DBOS.workflow()
async def approving_bench(model: str) -> int:
    """Runs to the first call that waits for an approval, and waits."""
    agent = Agent(name="Bench", instructions=INSTRUCTIONS, model=model, tools=[approved_sample])
    result = await DBOSRunner.run(agent, QUESTION, run_config=_CONFIG)
    _waiting[DBOS.workflow_id].set()
    await DBOS.recv_async("approved", timeout_seconds=_LONG_SECONDS)
    return len(result.interruptions)


class _Program:
    def __init__(self, database: Path) -> None:
        self._database = database

    async def run(self, command: dict[str, Any]) -> dict[str, Any]:
        """Makes the runs whose ids it is given, to their end; those of the approving agent until they wait."""
        model = command["model"]

        async def to_the_end(run_id: str) -> None:
            with SetWorkflowID(run_id):
                await bench(model)

        async def until_it_waits(run_id: str) -> None:
            _waiting[run_id] = asyncio.Event()
            with SetWorkflowID(run_id):
                await DBOS.start_workflow_async(approving_bench, model)
            await _waiting[run_id].wait()

        before = time.process_time()
        make = until_it_waits if command["agent"] == "Approving bench" else to_the_end
        seconds = await burst(make, command["ids"], command["at_once"])
        spent = time.process_time() - before
        rows, size = self._steps(command["ids"][0])
        return {"seconds": seconds, "run_cpu_seconds": spent, "rows": rows, "bytes": size}

    def _steps(self, run_id: str) -> tuple[int, int]:
        with sqlite3.connect(self._database) as database:
            return database.execute(_STEPS, (run_id,)).fetchone()


async def _main() -> None:
    file = Path(os.environ["BENCH_FOLDER"]) / f"{queue('dbos')}.sqlite"
    DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{file}", "console_log_level": "ERROR"})
    DBOS.launch()
    await serve_commands(run=_Program(file).run)
    sys.stdout.flush()
    os._exit(0)  # runs that wait would hold up an end in order


if __name__ == "__main__":
    asyncio.run(_main())
