"""The worker of `served` again, on a queue of its own: its memory is that of the runs that wait."""

from __future__ import annotations

import asyncio

from benchmarks.served import serve

QUEUE = "waiting"

if __name__ == "__main__":
    asyncio.run(serve(QUEUE))
