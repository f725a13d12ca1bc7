"""What is said to a run while it goes on in a new history is answered by that one: the old one never answers it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import PayloadCodec
from temporalio.worker import Worker

from perdure import Agent
from perdure.client.execution import Execution
from perdure.client.host import Host
from perdure.client.outcomes import Caller
from perdure.client.starting import Found
from perdure.contracts.converter import data_converter


class Gate(PayloadCodec):
    """Holds the worker's answers back, of which the first one says that the workflow goes on in a new history."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        self.reached.set()
        await self.opened.wait()
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


@workflow.defn(name="GoingOn", sandboxed=False)
class GoingOn:
    """Goes on once."""

    def __init__(self) -> None:
        self.history = 0

    @workflow.run
    async def run(self, history: int) -> None:
        self.history = history
        if history == 1:
            workflow.continue_as_new(history + 1)
        await workflow.wait_condition(lambda: False)

    @workflow.update
    def ask(self, word: str) -> str:
        return f"{word} in history {self.history}"


@pytest.fixture
async def gate() -> Gate:
    return Gate()


@pytest.fixture
async def going_on(gate: Gate) -> AsyncIterator[Execution]:
    """A run in the task in which it goes on."""
    host = Host.current()
    connection = await host.call(host.connection())
    client = await Client.connect(connection.address, namespace=connection.namespace, data_converter=data_converter)
    held = Client(client.service_client, data_converter=replace(data_converter, payload_codec=gate))
    run_id = f"going-on-{uuid.uuid4().hex[:8]}"
    async with Worker(held, task_queue=run_id, workflows=[GoingOn]):
        handle = await client.start_workflow("GoingOn", 1, id=run_id, task_queue=run_id)
        await gate.reached.wait()
        found = Found(handle.first_execution_run_id or "", run_id, started=True)
        yield Execution(host, Caller(run_id, Agent(name="A")), found)
        gate.opened.set()
        await handle.terminate()


async def test_an_update_that_comes_while_a_run_goes_on_is_answered_in_its_new_history(
    gate: Gate, going_on: Execution
) -> None:
    within = timedelta(seconds=20)
    asked = asyncio.create_task(going_on.host.call(going_on.update("ask", "well?", str, within=within)))
    await asyncio.wait([asked], timeout=0.5)  # the server has it, and turns it away when the run goes on
    gate.opened.set()
    assert await asked == "well? in history 2"
