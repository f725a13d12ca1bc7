"""What all measures stand on: an empty embedded server, a model on loopback, processes that end with the stage."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping

from temporalio.client import Client

from benchmarks.child import Child
from perdure.server import ensure_server, stop_server


class Stage:
    """A server, a model, and whatever is started on them.

    Attributes:
        client: Connected to the server.
    """

    def __init__(self, client: Client, environment: Mapping[str, str], stack: contextlib.AsyncExitStack) -> None:
        self.client = client
        self._environment = dict(environment)
        self._stack = stack
        self._children: dict[str, Child] = {}

    async def child(self, module: str, python: str = sys.executable) -> Child:
        """The process of a module of `benchmarks`, started when it is first asked for."""
        if module not in self._children:
            started = await Child.start(f"benchmarks.{module}", self._environment, python)
            self._stack.push_async_callback(started.stop)
            self._children[module] = started
        return self._children[module]


@contextlib.asynccontextmanager
async def open_stage() -> AsyncGenerator[Stage]:
    """A stage of the benchmark's own; everything on it ends with it."""
    with own_server() as address:
        async with contextlib.AsyncExitStack() as stack:
            model = await Child.start("benchmarks.loopback", dict(os.environ))
            stack.push_async_callback(model.stop)
            environment = os.environ | {
                "OPENAI_BASE_URL": model.hello["url"],
                "OPENAI_API_KEY": "not-needed",
                "BENCH_TEMPORAL": address,
            }
            yield Stage(await Client.connect(address), environment, stack)


@contextlib.contextmanager
def own_server() -> Generator[str]:
    """An embedded server of the benchmark's own, empty and ended afterwards, whatever else is configured."""
    kept = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        for name in [name for name in os.environ if name.startswith(("TEMPORAL_", "PERDURE_"))]:
            del os.environ[name]
        os.environ["PERDURE_HOME"] = folder
        os.environ["TEMPORAL_CONFIG_FILE"] = os.path.join(folder, "temporal.toml")  # there is none
        try:
            yield ensure_server().address
        finally:
            stop_server()
            os.environ.clear()
            os.environ.update(kept)
