"""The job on `temporalio-openai-agents`, as its documentation shows it: the tool is an activity."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib import openai_agents
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from agents import Agent, RunConfig, Runner

    from benchmarks.child import serve_commands
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


async def _main() -> None:
    parameters = openai_agents.ModelActivityParameters(start_to_close_timeout=_TIMEOUT)
    plugin = openai_agents.OpenAIAgentsPlugin(model_params=parameters)
    client = await Client.connect(os.environ["BENCH_TEMPORAL"], plugins=[plugin])
    async with Worker(client, task_queue="openai-agents", workflows=[Peer], activities=[sample]):
        await serve_commands()


if __name__ == "__main__":
    asyncio.run(_main())
