"""The job on Pydantic AI's Temporal integration, as its documentation shows it: tools are activities by themselves."""

from __future__ import annotations

import asyncio
import os

from pydantic_ai import Agent
from pydantic_ai.durable_exec.temporal import PydanticAIPlugin, PydanticAIWorkflow, TemporalDurability
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.usage import UsageLimits
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from benchmarks.child import serve_commands
    from benchmarks.job import INSTRUCTIONS, QUESTION, SMALL_BYTES, Job, take_sample

_API = "openai-responses:"

agent = Agent(
    OpenAIResponsesModel(Job(turns=2, size=SMALL_BYTES).model),  # each run names its own
    name="bench",
    instructions=INSTRUCTIONS,
    capabilities=[TemporalDurability()],
)


@agent.tool_plain
async def sample(number: int, size: int) -> str:
    """Take one sample."""
    return take_sample(number, size)


@workflow.defn(name="PydanticAI")
class Peer(PydanticAIWorkflow):
    """The run."""

    __pydantic_ai_agents__ = [agent]

    @workflow.run
    async def run(self, model: str) -> str:
        """Runs to the model's last word."""
        result = await agent.run(QUESTION, model=_API + model, usage_limits=UsageLimits(request_limit=None))
        return result.output


async def _main() -> None:
    client = await Client.connect(os.environ["BENCH_TEMPORAL"], plugins=[PydanticAIPlugin()])
    async with Worker(client, task_queue="pydantic-ai", workflows=[Peer]):
        await serve_commands()


if __name__ == "__main__":
    asyncio.run(_main())
