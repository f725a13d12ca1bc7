"""A decision that comes in one workflow task with the answer that makes its call is not lost.

It happens when the worker that showed the call as waiting dies before its workflow task is recorded: the task is done
again by another worker, and Temporal hands it the signal before the answer.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

import worker
from perdure import Agent, Model, ModelResponse, Runner
from perdure.connection import connect
from perdure.served import ServedAgents
from perdure.testing import ScriptedModel, tool_call
from tests.agents import slow_refund
from workflows.agent_run import AgentRun


class Held(Model):
    """Answers once it is told to."""

    def __init__(self) -> None:
        self.script = ScriptedModel([tool_call("slow_refund", {"order_id": "7"}), "done"])
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def get_response(self, *args: Any, **options: Any) -> ModelResponse:
        self.asked.set()
        await self.go.wait()
        return await self.script.get_response(*args, **options)


def steps(client: Client, queue: str, model: Model) -> Worker:
    """A worker that takes steps but no workflow tasks."""
    served = ServedAgents()
    served.serve([Agent(name="Early", model=model, tools=[slow_refund])], asyncio.get_running_loop())
    return Worker(client, task_queue=queue, activities=worker._activities(client, served, None))


async def until_no_step_runs(handle: WorkflowHandle[Any, Any]) -> None:
    async with asyncio.timeout(10):
        while (await handle.describe()).raw_description.pending_activities:  # noqa: ASYNC110  no event tells it
            await asyncio.sleep(0.05)


async def test_an_approval_in_one_task_with_the_answer_holds_and_an_earlier_one_does_not() -> None:
    client, queue, model = (await connect()).client, f"early-{uuid.uuid4().hex[:8]}", Held()
    run = await Runner.start("Early", "go", task_queue=queue)
    handle = client.get_workflow_handle(run.id)
    async with steps(client, queue, model):
        async with Worker(client, task_queue=queue, workflows=[AgentRun]):
            await model.asked.wait()
            await handle.signal("reject", {"call_id": "1.0", "by": "eve"})
            assert len((await run.status()).ignored) == 1, "too early: nobody can have seen the call"
        model.go.set()
        await until_no_step_runs(handle)
        await handle.signal("approve", {"call_id": "1.0", "by": "ana"})
        async with Worker(client, task_queue=queue, workflows=[AgentRun]):
            result = await run.result()
    assert result.final_output == "done"
    assert (await run.status()).decided["1.0"].startswith("approved by ana")
    assert [said[:12] for said in (await run.status()).ignored] == ["reject '1.0'"]


async def test_a_receipt_for_an_approval_in_one_task_with_the_answer_says_that_it_holds() -> None:
    client, queue, model = (await connect()).client, f"early-{uuid.uuid4().hex[:8]}", Held()
    run = await Runner.start("Early", "go", task_queue=queue)
    handle = client.get_workflow_handle(run.id)
    async with steps(client, queue, model):
        async with Worker(client, task_queue=queue, workflows=[AgentRun]):
            await model.asked.wait()
        model.go.set()
        await until_no_step_runs(handle)
        approving = asyncio.create_task(run.approve("1.0", by="ana"))
        await asyncio.sleep(0.5)  # it waits for a worker
        async with Worker(client, task_queue=queue, workflows=[AgentRun]):
            assert (await approving).verdict == "accepted"
            assert (await run.result()).final_output == "done"
