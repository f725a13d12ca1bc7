"""What all measures stand on: an empty embedded server, a model on loopback, processes that end with the stage."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator

from temporalio.client import Client

from benchmarks.child import Child
from perdure.server import ServerInfo, ensure_server, stop_server


class Stage:
    """A server, a model, and whatever is started on them.

    Attributes:
        client: Connected to the server.
        server: The server's process and version.
        model: The model's process, which tells when it was asked.
    """

    def __init__(self, client: Client, server: ServerInfo, model: Child, stack: contextlib.AsyncExitStack) -> None:
        self.client = client
        self.server = server
        self.model = model
        self._stack = stack
        self._children: dict[tuple[str, str], Child] = {}

    async def child(self, module: str, python: str = sys.executable, queue: str = "") -> Child:
        """The process of a module of `benchmarks`, started when it is first asked for.

        Args:
            module: Its name.
            python: The interpreter that it runs in.
            queue: What it serves, if that is not the queue of its own: then it is a process of its own.
        """
        if (module, queue) not in self._children:
            started = await self.spawn(module, python, queue)
            self._stack.push_async_callback(started.stop)
            self._children[module, queue] = started
        return self._children[module, queue]

    async def spawn(self, module: str, python: str, queue: str) -> Child:
        """A new process of a module, which is for its caller to stop."""
        environment = os.environ | {
            "OPENAI_BASE_URL": self.model.hello["url"],
            "OPENAI_API_KEY": "not-needed",
            "BENCH_TEMPORAL": self.server.address,
            "BENCH_FOLDER": os.environ["PERDURE_HOME"],
            "PYTHONDONTWRITEBYTECODE": "",  # else ours, which nobody installed, would be compiled at each start
        }
        return await Child.start(
            f"benchmarks.{module}", environment | ({"BENCH_QUEUE": queue} if queue else {}), python
        )


@contextlib.asynccontextmanager
async def open_stage() -> AsyncGenerator[Stage]:
    """A stage of the benchmark's own; everything on it ends with it."""
    with own_server() as server:
        async with contextlib.AsyncExitStack() as stack:
            model = await Child.start("benchmarks.loopback", dict(os.environ))
            stack.push_async_callback(model.stop)
            yield Stage(await Client.connect(server.address), server, model, stack)


@contextlib.contextmanager
def own_server() -> Generator[ServerInfo]:
    """An embedded server of the benchmark's own, empty and ended afterwards, whatever else is configured."""
    kept = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        for name in [name for name in os.environ if name.startswith(("TEMPORAL_", "PERDURE_"))]:
            del os.environ[name]
        os.environ["PERDURE_HOME"] = folder
        os.environ["TEMPORAL_CONFIG_FILE"] = os.path.join(folder, "temporal.toml")  # there is none
        try:
            yield ensure_server()
        finally:
            stop_server()
            os.environ.clear()
            os.environ.update(kept)
