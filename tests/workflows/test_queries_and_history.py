"""A query never leads a run where its history does not: what it has shown can be answered, and replays.

A query that waits for a dead worker comes to the next one together with results whose workflow task nobody has begun.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.worker import Replayer, Worker

import worker
from perdure import (
    Agent,
    RunConfig,
    Runner,
    ToolGuardrailFunctionOutput,
    ToolOutputGuardrailData,
    function_tool,
    tool_output_guardrail,
)
from perdure.connection import connect
from perdure.contracts.converter import data_converter
from perdure.served import ServedAgents
from perdure.testing import ScriptedModel, tool_call
from tests.agents import slow_refund
from tests.chaos.checker import complaints_about_history
from tests.workflows.test_early_decisions import until_no_step_runs
from workflows.agent_run import AgentRun

ROOT = Path(__file__).resolve().parents[2]
SERVES = "import sys; from tests.workflows.test_queries_and_history import serve; serve(sys.argv[1])"
APPROVAL = {"call_id": "1.0", "by": "ana"}


def answering(client: Client, queue: str) -> Worker:
    """A worker that takes workflow tasks, and no steps."""
    return worker.build_worker(client, ServedAgents(), None, worker.WorkerSettings(queue, activities=False))


def serve(queue: str) -> None:
    """Takes workflow tasks until it is killed."""

    async def forever() -> None:
        async with answering((await connect()).client, queue):
            print("serves", flush=True)
            await asyncio.Event().wait()

    asyncio.run(forever())


async def killed_while(queue: str, happens: asyncio.Event) -> None:
    """A process takes workflow tasks and is killed when something happens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVES, queue, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"serves\n"
    await happens.wait()
    process.kill()
    await process.wait()


class Look:
    """A tool that ends when it is told to, and whose output is reviewed by a step of its own."""

    def __init__(self) -> None:
        self.began, self.go = asyncio.Event(), asyncio.Event()

        @tool_output_guardrail
        def harmless(data: ToolOutputGuardrailData) -> ToolGuardrailFunctionOutput:
            return ToolGuardrailFunctionOutput.allow()

        @function_tool(tool_output_guardrails=[harmless])
        async def look() -> str:
            """Look."""
            self.began.set()
            await self.go.wait()
            return "seen"

        self.tool = look


@pytest.mark.parametrize("how", ["update", "signal"])
# Between the lengths before and in that task; far off.
@pytest.mark.parametrize("history_events", [23, pytest.param(4000, marks=pytest.mark.thorough)])
async def test_what_was_asked_too_early_is_answered_in_time_and_can_be_decided(how: str, history_events: int) -> None:
    client, queue, look = (await connect()).client, f"ahead-{uuid.uuid4().hex[:8]}", Look()
    model = ScriptedModel([[tool_call("slow_refund", {"order_id": "7"}), tool_call("look", {})], "done"])
    served = ServedAgents()
    served.serve([Agent(name="Ahead", model=model, tools=[slow_refund, look.tool])], asyncio.get_running_loop())
    async with Worker(client, task_queue=queue, activities=worker._activities(client, served, None)):
        config = RunConfig(history_events=history_events)
        run = await Runner.start("Ahead", "go", task_queue=queue, run_config=config)
        handle = client.get_workflow_handle(run.id)
        await killed_while(queue, look.began)
        asked = asyncio.create_task(run.status())
        await asyncio.sleep(0.3)  # it waits for the dead worker, on its queue
        look.go.set()
        await until_no_step_runs(handle)
        async with answering(client, queue):
            assert [call.call_id for call in (await asked).approvals] == ["1.0"]
            if how == "update":
                await run.approve("1.0", by="ana")
            else:
                await client.get_workflow_handle(run.id).signal("approve", APPROVAL)
            assert (await run.result()).final_output == "done"
    async for execution in client.list_workflows(f'WorkflowId = "{run.id}"'):
        history = await client.get_workflow_handle(run.id, run_id=execution.run_id).fetch_history()
        assert list(complaints_about_history(history)) == []
        await Replayer(workflows=[AgentRun], data_converter=data_converter, namespace="default").replay_workflow(
            history
        )
