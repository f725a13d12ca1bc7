"""A worker that serves the agents by name, as `perdure worker` does: its loop apart from the one of the tools."""

from __future__ import annotations

import asyncio

from benchmarks.agent import approving_agent, bench_agent, local_agent
from benchmarks.child import Command, queue, serve_commands
from perdure.client.background import BackgroundLoop
from perdure.client.host import blob_store
from perdure.connection import connect
from perdure.rooms import load_room
from perdure.served import ServedAgents

QUEUE = "served"


async def serve(task_queue: str, run: Command | None = None) -> None:
    """Serves the agents on a queue, and does commands, to the end of the input."""
    background = BackgroundLoop()
    connection = await background.call(connect())
    served = ServedAgents()
    served.serve([bench_agent(), local_agent(), approving_agent()], asyncio.get_running_loop())
    room = load_room("worker")
    settings = room.WorkerSettings(task_queue=task_queue)
    worker = room.build_worker(connection.client, served, blob_store(connection), settings)
    running = background.submit(worker.run())
    await serve_commands(run=run)
    await background.call(worker.shutdown())
    await asyncio.wrap_future(running)


if __name__ == "__main__":
    asyncio.run(serve(queue(QUEUE)))
