"""The job on `temporalio-openai-agents`, as its documentation shows it: the tool is an activity."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib import openai_agents
from temporalio.worker import Replayer, Worker

with workflow.unsafe.imports_passed_through():
    from agents import Agent, RunConfig, Runner, function_tool

    from benchmarks.child import queue, serve_commands
    from benchmarks.job import INSTRUCTIONS, QUESTION, take_sample

_TIMEOUT = timedelta(seconds=60)


@activity.defn
async def sample(number: int, size: int) -> str:
    """Take one sample."""
    return take_sample(number, size)


@workflow.defn(name="OpenAIAgents")
class Peer:
    """The run."""

    @workflow.run
    async def run(self, model: str) -> str:
        """Runs to the model's last word."""
        tool = openai_agents.workflow.activity_as_tool(sample, start_to_close_timeout=_TIMEOUT)
        agent = Agent(name="Bench", instructions=INSTRUCTIONS, model=model, tools=[tool])
        config = RunConfig(tracing_disabled=True)
        return (await Runner.run(agent, QUESTION, max_turns=100_000, run_config=config)).final_output


@function_tool(name_override="sample", needs_approval=True)
async def approved_sample(number: int, size: int) -> str:
    """Take one sample."""
    return take_sample(number, size)


@workflow.defn(name="OpenAIAgentsWaiting")
class WaitingPeer:
    """A run whose first tool call waits for an approval."""

    def __init__(self) -> None:
        self._waits = False
        self._approved = False

    @workflow.run
    async def run(self, model: str) -> int:
        """Runs to the first call that needs an approval, and waits."""
        agent = Agent(name="Bench", instructions=INSTRUCTIONS, model=model, tools=[approved_sample])
        result = await Runner.run(agent, QUESTION, run_config=RunConfig(tracing_disabled=True))
        self._waits = True
        await workflow.wait_condition(lambda: self._approved)
        return len(result.interruptions)

    @workflow.signal
    async def approve(self) -> None:
        """The approval."""
        self._approved = True

    @workflow.update
    async def until_it_waits(self) -> None:
        """Returns once the run waits."""
        await workflow.wait_condition(lambda: self._waits)


def _plugin() -> openai_agents.OpenAIAgentsPlugin:
    parameters = openai_agents.ModelActivityParameters(start_to_close_timeout=_TIMEOUT)
    return openai_agents.OpenAIAgentsPlugin(model_params=parameters)


async def _replay(command: dict[str, Any]) -> dict[str, Any]:
    """Replays the history in a file, if it is told one: the CPU seconds of each replay."""
    if "history" not in command:
        return {}
    history = WorkflowHistory.from_json("replayed", await asyncio.to_thread(Path(command["history"]).read_text))
    replayer = Replayer(workflows=[Peer], plugins=[_plugin()])
    spent: list[tuple[float, float]] = []
    for _ in range(command["replays"]):
        began, cpu = time.perf_counter(), time.process_time()
        await replayer.replay_workflow(history)
        spent.append((time.perf_counter() - began, time.process_time() - cpu))
    return {"spent": spent}


async def _main() -> None:
    client = await Client.connect(os.environ["BENCH_TEMPORAL"], plugins=[_plugin()])
    flows = [Peer, WaitingPeer]
    async with Worker(client, task_queue=queue("openai-agents"), workflows=flows, activities=[sample]):
        await serve_commands(run=_replay)


if __name__ == "__main__":
    asyncio.run(_main())
