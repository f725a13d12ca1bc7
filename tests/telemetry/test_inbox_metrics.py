"""How many calls wait, and how long by now: told by one worker for all, whoever has the runs in memory."""

from __future__ import annotations

import asyncio
import socket
import uuid
from asyncio.subprocess import Process
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from temporalio.client import Client
from temporalio.common import MetricMeter

from perdure import Run, Runner
from perdure.client.host import Host
from perdure.client.inbox_metrics import InboxMetrics
from tests.end_to_end.workers import worker
from tests.telemetry.test_workers import AGENTS, scrape_port, scraped

Told = dict[tuple[str, str, str], float]


@dataclass
class Meter:
    """Keeps what gauges were last set to."""

    told: Told = field(default_factory=Told)

    def create_gauge(self, name: str, *_: Any) -> _Gauge:
        return _Gauge(self, name)

    create_gauge_float = create_gauge


@dataclass
class _Gauge:
    meter: Meter
    name: str

    def set(self, value: float, labels: dict[str, str]) -> None:
        self.meter.told[self.name, labels["agent"], labels["tool"]] = value


WAITING = ("perdure_approvals_waiting", "Clerk", "pay")
OLDEST = ("perdure_approval_oldest_seconds", "Clerk", "pay")


@pytest.fixture
def queue() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


def identity_of(process: Process) -> str:
    return f"{process.pid}@{socket.gethostname()}"


async def inbox_of(process: Process, queue: str, meter: Meter) -> InboxMetrics:
    """What a worker's process tells, told here."""
    own = (await Host.current().call(Host.current().connection())).client
    client = await Client.connect(
        own.service_client.config.target_host,
        namespace=own.namespace, data_converter=own.data_converter, identity=identity_of(process),
    )  # fmt: skip
    return InboxMetrics(client, queue, cast("MetricMeter", meter), lists=True)


async def waiting_runs(queue: str, count: int) -> list[Run]:
    runs = [await Runner.start("Clerk", "pay", task_queue=queue) for _ in range(count)]
    for run in runs:
        await run.result_or_interruptions()
    return runs


async def looked(inbox: InboxMetrics, meter: Meter, count: int) -> Told:
    """What is told once so many wait: the list of runs is some moments behind."""
    while meter.told.get(WAITING) != count:
        await inbox.look()
        await asyncio.sleep(0.1)
    return dict(meter.told)


async def test_calls_that_wait_are_counted_by_agent_and_tool_with_the_age_of_the_oldest(
    tmp_path: Path, queue: str
) -> None:
    async with worker(tmp_path, "payer_agents", AGENTS, queue) as process:
        runs = await waiting_runs(queue, 2)
        meter = Meter()
        inbox = await inbox_of(process, queue, meter)
        first = await looked(inbox, meter, 2)
        assert set(first) == {WAITING, OLDEST}
        await inbox.look()
        assert meter.told[OLDEST] > first[OLDEST] > 0
        await runs[0].approve("1.0", by="ana")
        await runs[0].result()
        await looked(inbox, meter, 1)
        await runs[1].reject("1.0", by="ana")
        await runs[1].result()
        assert (await looked(inbox, meter, 0))[OLDEST] == 0


@pytest.mark.thorough
async def test_of_several_workers_one_tells_for_all_and_another_once_it_is_gone(tmp_path: Path, queue: str) -> None:
    async with (
        worker(tmp_path, "payer_agents", AGENTS, queue) as a,
        worker(tmp_path, "payer_agents", AGENTS, queue) as b,
    ):
        (run,) = await waiting_runs(queue, 1)
        first, second = sorted((a, b), key=identity_of)
        meters = Meter(), Meter()
        inboxes = [await inbox_of(each, queue, meter) for each, meter in zip((first, second), meters, strict=True)]
        await looked(inboxes[0], meters[0], 1)
        await inboxes[1].look()
        assert meters[1].told == {}
        first.kill()
        await first.wait()
        await looked(inboxes[1], meters[1], 1)
        await inboxes[0].look()  # as if it lived still, and were another's turn
        assert (meters[0].told[WAITING], meters[0].told[OLDEST]) == (0, 0)
        await run.cancel()


async def test_a_worker_tells_of_calls_that_waited_before_it_began(
    tmp_path: Path, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with worker(tmp_path, "payer_agents", AGENTS, queue):
        (run,) = await waiting_runs(queue, 1)
    port = scrape_port(monkeypatch)
    async with worker(tmp_path, "payer_agents", AGENTS, queue):
        lines = (await scraped(port, "perdure_approvals_waiting{")).splitlines()
    line = next(each for each in lines if each.startswith("perdure_approvals_waiting{"))
    assert 'tool="pay"' in line
    assert line.endswith(" 1")
    await run.cancel()
