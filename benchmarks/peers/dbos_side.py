"""The job on DBOS: its program makes the runs, and tells what its database has of them."""

from __future__ import annotations

from benchmarks.agent import NAME
from benchmarks.child import Child
from benchmarks.job import Job
from benchmarks.sides import Sample, Took, new_id, new_ids, told

PROGRAM = "dbos_agents"


class Dbos:
    """A program with a SQLite database: `events` are rows of its table of steps, `history_bytes` what they hold."""

    def __init__(self, program: Child) -> None:
        self._program = program

    async def measure(self, job: Job) -> Sample:
        """Does the job once; no server's clock times its turns."""
        run_id = new_id("dbos")
        took = await told(self._program, NAME, job, [run_id])
        return Sample(job, [], took["seconds"], took["run_cpu_seconds"], took["rows"], took["bytes"], run_id)

    async def burst(self, job: Job, runs: int, at_once: int) -> Took:
        """Does the job in many runs, so many at once."""
        took = await told(self._program, NAME, job, new_ids("dbos", runs), at_once)
        return Took(took["seconds"], took["run_cpu_seconds"])
