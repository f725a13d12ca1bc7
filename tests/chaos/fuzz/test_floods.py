"""A flood of messages does not kill a run: the genuine decision gets in, and so does `cancel`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from dataclasses import dataclass

import pytest
from temporalio.client import Client

from perdure import Run, RunCancelled, Runner, function_tool
from perdure.client.blob_stores import blob_store
from perdure.client.host import Host
from perdure.contracts.converter import data_converter
from perdure.served import ServedAgents
from perdure.testing import tool_call
from tests.agents import refund, refund_call, scripted
from tests.chaos.fuzz.doors import Doors
from tests.chaos.fuzz.judge import complaint_about
from tests.chaos.fuzz.payloads import as_json
from worker import WorkerSettings, build_worker

MOST_SIGNALS = 10_000  # that the server takes in one history
MOST_UPDATES = 2000  # likewise
AT_ONCE_IN_ONE_TASK = 5000  # half a second of CPU; a task may take two seconds, on a machine that is busy, too
FLOOD = 50_000
_AT_ONCE = 16


@dataclass
class Flood:
    """What sends nonsense."""

    client: Client

    async def send(self, run_id: str, count: int) -> int:
        """Sends so many decisions about no call; tells how many were refused."""
        doors, room = Doors(self.client), asyncio.Semaphore(_AT_ONCE)

        async def one(number: int) -> None:
            async with room:
                await doors.signal(run_id, "approve", [as_json({"call_id": f"nonsense {number}"})])

        await asyncio.gather(*map(one, range(count)))
        return doors.refused


@pytest.fixture
async def flood() -> Flood:
    host = Host.current()
    connection = await host.call(host.connection())
    return Flood(
        await Client.connect(connection.address, namespace=connection.namespace, data_converter=data_converter)
    )


async def approve_by_command(run_id: str, call_id: str) -> None:
    command = [sys.executable, "-m", "perdure.cli", "approve", run_id, call_id, "--by", "bob"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(accepted)" in done.stdout + done.stderr, "it was not sent as an update"


async def busy_run(gate: asyncio.Event) -> Run:
    """A run with a tool in flight until the gate opens, and two calls that wait."""

    @function_tool(timeout=3600)
    async def slow() -> str:
        """Takes its time."""
        await gate.wait()
        return "slow, but done"

    calls = [tool_call("slow", {}), refund_call("7"), refund_call("8")]
    run = await Runner.start(scripted(calls, "done", tools=[slow, refund]), "please")
    for _ in range(600):
        if len(await run.approvals()) == 2:
            return run
        await asyncio.sleep(0.05)
    raise AssertionError("its calls do not come to wait")


async def floods_of(flood: Flood, count: int) -> None:
    """The rule, for floods of this size."""
    waiting = await Runner.start(scripted([refund_call("7"), refund_call("8")], "done"), "please")
    await waiting.result_or_interruptions()
    gate = asyncio.Event()
    busy, stopped = await busy_run(gate), await busy_run(gate)
    refused = await flood.send(waiting.id, count)  # those that come just while it goes on in a new history
    assert refused < count // 2
    for run, size in ((busy, count), (stopped, min(count, MOST_SIGNALS + 500))):
        refused = await flood.send(run.id, size)
        assert (refused > 0) == (size > MOST_SIGNALS)
    await stopped.cancel()
    with pytest.raises(RunCancelled):
        await stopped.result()
    for run, first, second in ((waiting, "1.0", "1.1"), (busy, "1.1", "1.2")):
        assert (await run.approve(first, by="ana")).verdict == "accepted"
        await approve_by_command(run.id, second)
    gate.set()
    for run in (waiting, busy):
        assert (await run.result()).final_output == "done"
        assert await complaint_about(flood.client, run.id, phases=()) is None


async def test_a_few_signals_do_not_keep_decisions_out(flood: Flood) -> None:
    await floods_of(flood, 200)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
async def test_a_flood_does_not_keep_decisions_out(flood: Flood) -> None:
    await floods_of(flood, FLOOD)


@pytest.mark.chaos
@pytest.mark.timeout(600)
async def test_a_flood_while_no_worker_is_there_waits_for_it_and_wedges_nothing(flood: Flood) -> None:
    host = Host.current()
    served = ServedAgents()
    served.serve([scripted(refund_call(), "done")], asyncio.get_running_loop())
    blobs, settings = blob_store(await host.call(host.connection())), WorkerSettings("flooded")
    given = as_json({"agent": "Scripted", "input": [{"role": "user", "content": "please"}]})
    run_id = await Doors(flood.client).start("flooded", [given])
    assert run_id is not None
    async with build_worker(flood.client, served, blobs, settings):
        assert await complaint_about(flood.client, run_id) is None
    assert await flood.send(run_id, AT_ONCE_IN_ONE_TASK) == 0
    await flood.client.get_workflow_handle(run_id).signal("approve", {"call_id": "1.0"})
    async with build_worker(flood.client, served, blobs, settings):
        assert await complaint_about(flood.client, run_id, phases=(), patience=120.0) is None


@pytest.mark.thorough
async def test_a_decision_that_no_worker_answers_is_sent_as_a_signal(flood: Flood) -> None:
    run_id = f"unserved-{uuid.uuid4().hex[:8]}"  # of a type that no worker knows, so that none can answer
    handle = await flood.client.start_workflow("Unserved", id=run_id, task_queue=run_id)
    receipt = await (await Runner.get(run_id)).approve("1.0", by="ana")
    assert receipt.verdict == "sent"
    await handle.terminate()  # the server keeps signals back while a task is under way
    signals = [event.workflow_execution_signaled_event_attributes async for event in handle.fetch_history_events()]
    assert [each.signal_name for each in signals if each.signal_name] == ["approve"]


@pytest.mark.chaos
@pytest.mark.timeout(600)
async def test_a_decision_is_sent_as_a_signal_where_the_server_takes_no_more_updates(flood: Flood) -> None:
    gate = asyncio.Event()
    run = await busy_run(gate)
    await run.approve("1.1")
    again = [as_json({"decision": "approve", "call_id": "1.1"})]  # the same decision again is welcome, and counts
    doors, room = Doors(flood.client), asyncio.Semaphore(8)  # the server takes ten at once

    async def one() -> None:
        async with room:
            await doors.update(run.id, "decide", again)

    await asyncio.gather(*(one() for _ in range(MOST_UPDATES + 50)))
    assert doors.refused > 0
    assert (await run.approve("1.2")).verdict == "sent"
    gate.set()
    assert (await run.result()).final_output == "done"
