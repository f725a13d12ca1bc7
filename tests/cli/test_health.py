"""What a worker tells Docker and Kubernetes of itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from perdure.cli.ending import CommandFailed, ExitCode
from perdure.cli.health import Health
from tests.cli.conftest import SHOP, Shop, eventually

Answer = tuple[int, dict[str, Any]]


def get(port: int, path: str) -> Answer:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class Served:
    """A worker's health, and where it is told."""

    def __init__(self, health: Health, port: int) -> None:
        self.health, self.port = health, port

    async def get(self, path: str) -> Answer:
        return await asyncio.to_thread(get, self.port, path)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    health = Health()
    server = await health.start(0)
    yield Served(health, server.sockets[0].getsockname()[1])
    server.close()


async def test_a_worker_that_starts_is_live_and_not_ready(served: Served) -> None:
    assert (await served.get("/live"))[0] == 200
    status, told = await served.get("/ready")
    assert (status, told["ready"]) == (503, False)
    assert told["why"].startswith("starting")


async def test_a_worker_that_takes_steps_is_ready(served: Served) -> None:
    served.health.started = True
    assert await served.get("/ready?verbose=1") == (200, {"live": True, "ready": True})


async def test_a_worker_without_its_server_is_live_as_a_restart_would_not_help(served: Served) -> None:
    served.health.started, served.health.lost = True, "nothing within 5 s"
    assert (await served.get("/live"))[0] == 200
    assert (await served.get("/ready"))[1]["why"] == "the server does not answer: nothing within 5 s"
    served.health.lost = None
    assert (await served.get("/ready"))[0] == 200


async def test_a_worker_that_stops_is_live_and_not_ready(served: Served) -> None:
    served.health.started = served.health.stopping = True
    assert (await served.get("/live"))[0] == 200
    assert (await served.get("/ready"))[0] == 503


async def test_any_other_path_is_not_found(served: Served) -> None:
    assert (await served.get("/"))[0] == 404


@pytest.mark.parametrize("said", [b"POST /ready HTTP/1.1\r\n\r\n", b"\x16\x03\x01\n", b"GET /" + b"a" * 100_000])
async def test_what_is_no_get_is_hung_up_on_and_the_next_is_answered(said: bytes, served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(said)
    with contextlib.suppress(ConnectionResetError):  # where it hung up before it had read all
        assert await reader.read() == b""
    writer.close()
    assert (await served.get("/live"))[0] == 200


async def test_a_port_that_is_taken_is_named(served: Served) -> None:
    with pytest.raises(CommandFailed, match=rf"health port {served.port} cannot be had") as failed:
        await Health().start(served.port)
    assert failed.value.code == ExitCode.USAGE


@pytest.fixture
def own_shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop whose server is nobody else's."""
    (tmp_path / "shop.py").write_text(SHOP)
    shop = Shop(tmp_path)
    yield shop
    shop.close()


@pytest.mark.thorough
def test_a_worker_whose_server_goes_away_is_live_and_ready_again_when_it_is_back(
    own_shop: Shop, tmp_path: Path
) -> None:
    address, log = own_shop.perdure("server", "start", "--json").json["address"], tmp_path / "worker.log"
    own_shop.worker("healthy", log, PERDURE_HEALTH_PORT="0", TEMPORAL_ADDRESS=address)
    found = re.search(r"health: port (\d+)", log.read_text())
    assert found is not None
    port = int(found[1])
    assert get(port, "/ready")[0] == 200
    assert own_shop.perdure("server", "stop").code == 0
    eventually(lambda: get(port, "/ready")[0] == 503, "the worker is not ready", 60.0)
    assert get(port, "/ready")[1]["why"].startswith("the server does not answer: ")
    assert get(port, "/live")[0] == 200
    assert own_shop.perdure("server", "start", "--json").json["address"] == address
    eventually(lambda: get(port, "/ready")[0] == 200, "the worker is ready again", 60.0)


def test_a_worker_process_tells_its_health_where_it_is_asked_to(shop: Shop, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    worker = shop.worker("healthy", log, PERDURE_HEALTH_PORT="0")
    port = re.search(r"health: port (\d+)", log.read_text())
    assert port is not None
    assert get(int(port[1]), "/ready")[0] == 200
    worker.terminate()
    assert worker.wait(timeout=60) == 0
