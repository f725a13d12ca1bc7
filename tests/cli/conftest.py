from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.perdure.server.processes import servers_on
from tests.replaying import replay_everything

READY = "perdure worker: ready"

SHOP = '''
import asyncio
from pathlib import Path

from perdure import Agent, function_tool
from perdure.testing import ScriptedModel
from perdure.testing.scripted_model import tool_call


@function_tool(needs_approval=True)
async def refund(order_id: str) -> str:
    """Refund an order."""
    return f"refunded {order_id}"


@function_tool
async def pack(order_id: str) -> str:
    """Pack an order, which takes two seconds."""
    Path("packing").touch()
    await asyncio.sleep(2)
    return f"packed {order_id}"


support = Agent(
    name="Support", model=ScriptedModel([tool_call("refund", {"order_id": "7"}), "All done."]), tools=[refund]
)
packer = Agent(name="Packer", model=ScriptedModel([tool_call("pack", {"order_id": "7"}), "Packed."]), tools=[pack])
broken = Agent(name="Broken", model=ScriptedModel([ValueError("the model is [red]ill[/red]")] * 9))
'''


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shop:
    """A folder with a module of agents, and a data folder with an embedded server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self._workers: list[subprocess.Popen[bytes]] = []

    def environment(self, **more: str) -> dict[str, str]:
        ambient = ("TEMPORAL_", "PERDURE_HOME", "PERDURE_UI_URL", "PERDURE_BLOBS")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ambient)}
        ours = {"PERDURE_HOME": str(self.home), "TEMPORAL_CONFIG_FILE": str(self.folder / "none.toml")}
        return kept | ours | more

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", "import sys; from perdure.cli import main; sys.exit(main())", *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def perdure(self, *arguments: str, given: str | None = None, **environment: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-c", "import sys; from perdure.cli import main; sys.exit(main())", *arguments],
            cwd=self.folder,
            env=self.environment(**environment),
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def worker(self, queue: str, log: Path, **environment: str) -> subprocess.Popen[bytes]:
        """A worker that takes steps."""
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(Path(__file__).parents[2] / "worker.py"), "shop", "--queue", queue],
                cwd=self.folder,
                env=self.environment(**environment),
                stderr=output,
            )
        self._workers.append(process)
        eventually(lambda: READY in log.read_text(), f"{queue} is served")
        return process

    def close(self) -> None:
        for process in self._workers:
            process.kill()
            process.wait()
        self._replay()

    def _replay(self) -> None:
        status = self.perdure("server", "status", "--json")
        if status.code == 0:
            asyncio.run(replay_everything(status.json["address"]))
        for pid in servers_on(self.home):
            os.kill(pid, signal.SIGKILL)


def eventually(holds: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop whose agents nobody serves; the first command starts its server."""
    folder = tmp_path_factory.mktemp("shop").resolve()
    (folder / "shop.py").write_text(SHOP)
    shop = Shop(folder)
    try:
        yield shop
    finally:
        shop.close()


@pytest.fixture(scope="session")
def served(shop: Shop) -> Shop:
    """The shop with a worker on the queue `perdure`, where agents are run by name."""
    shop.worker("perdure", shop.folder / "worker.log")
    return shop
