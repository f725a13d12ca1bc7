"""The judge is worth something: it complains about each run that must not be as it is, and about no other."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from perdure import Runner
from perdure.client.host import Host
from perdure.contracts.converter import data_converter
from tests.agents import refund_call, scripted
from tests.chaos.fuzz.judge import complaint_about

Handle = WorkflowHandle[Any, Any]


@workflow.defn(name="Wedged", sandboxed=False)
class Wedged:
    """A run with a bug: what it raises is no failure of the run, but of its workflow task, for ever."""

    @workflow.run
    async def run(self) -> None:
        raise ValueError("a bug")


@workflow.defn(name="WedgedBySignal", sandboxed=False)
class WedgedBySignal:
    """A run that waits until a signal breaks it."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.signal
    async def approve(self, decision: dict[str, Any]) -> None:
        raise KeyError(str(decision))


@pytest.fixture
async def client() -> Client:
    host = Host.current()
    connection = await host.call(host.connection())
    return await Client.connect(connection.address, namespace=connection.namespace, data_converter=data_converter)


@pytest.fixture
async def broken(client: Client) -> AsyncIterator[tuple[Handle, Handle]]:
    """Both of them on a worker of their own."""
    queue = f"broken-{uuid.uuid4().hex[:8]}"
    async with Worker(client, task_queue=queue, workflows=[Wedged, WedgedBySignal]):
        handles = [await client.start_workflow(name, id=f"{name}-{queue}", task_queue=queue) for name in _BROKEN]
        yield handles[0], handles[1]
        for handle in handles:
            await handle.terminate()


_BROKEN = ("Wedged", "WedgedBySignal")


@pytest.mark.thorough
async def test_a_run_whose_workflow_task_fails_is_a_complaint(client: Client, broken: tuple[Handle, Handle]) -> None:
    wedged, by_signal = broken
    assert "a workflow task failed" in (await complaint_about(client, wedged.id) or "")
    await by_signal.signal("approve", {})
    assert "a workflow task failed" in (await complaint_about(client, by_signal.id) or "")


async def test_a_run_that_waits_without_a_word_is_a_complaint(client: Client, broken: tuple[Handle, Handle]) -> None:
    said = await complaint_about(client, broken[1].id, patience=1.0)
    assert said is not None
    assert "neither ends nor waits for anybody (it does not answer)" in said


async def test_a_run_that_the_server_ended_is_a_complaint(client: Client) -> None:
    run = await Runner.start(scripted(refund_call(), "done"), "please")
    await run.result_or_interruptions()
    await client.get_workflow_handle(run.id).terminate()
    assert "was ended by the server" in (await complaint_about(client, run.id) or "")


async def test_a_step_that_is_tried_again_and_again_is_a_complaint_where_none_should_be(client: Client) -> None:
    run = await Runner.start(scripted(TimeoutError("no answer"), "done"), "please")
    await run.result()
    assert "was tried 2 times" in (await complaint_about(client, run.id) or "")
    assert await complaint_about(client, run.id, retries=True) is None


async def test_a_run_that_waits_for_a_decision_or_has_ended_is_none(client: Client) -> None:
    run = await Runner.start(scripted(refund_call(), "done"), "please")
    await run.result_or_interruptions()
    assert await complaint_about(client, run.id) is None
    said = await complaint_about(client, run.id, phases=(), patience=0.0)
    assert said is not None
    assert "waiting for approval" in said
    await asyncio.gather(run.approve("1.0"), run.result())
    assert await complaint_about(client, run.id, phases=()) is None
