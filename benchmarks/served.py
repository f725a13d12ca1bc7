"""A worker that serves the agent by name, as `perdure worker` does: its loop apart from the one of the tools."""

from __future__ import annotations

import asyncio

from benchmarks.agent import bench_agent
from benchmarks.child import serve_commands
from perdure.client.background import BackgroundLoop
from perdure.client.host import blob_store
from perdure.connection import connect
from perdure.rooms import load_room
from perdure.served import ServedAgents

QUEUE = "served"


async def _main() -> None:
    background = BackgroundLoop()
    connection = await background.call(connect())
    served = ServedAgents()
    served.serve([bench_agent()], asyncio.get_running_loop())
    room = load_room("worker")
    settings = room.WorkerSettings(task_queue=QUEUE)
    worker = room.build_worker(connection.client, served, blob_store(connection), settings)
    running = background.submit(worker.run())
    await serve_commands()
    await background.call(worker.shutdown())
    await asyncio.wrap_future(running)


if __name__ == "__main__":
    asyncio.run(_main())
