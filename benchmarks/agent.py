"""The job as an agent of Perdure."""

from __future__ import annotations

from typing import Any

from benchmarks.job import INSTRUCTIONS, Job, take_sample
from perdure import Agent, RunConfig, function_tool

NAME = "Bench"
APPROVING = "Approving bench"
LOCAL = "Local bench"


@function_tool
async def sample(number: int, size: int) -> str:
    """Take one sample."""
    return take_sample(number, size)


@function_tool(name_override="sample", local=True)
async def local_sample(number: int, size: int) -> str:
    """Take one sample."""
    return take_sample(number, size)


@function_tool(name_override="sample", needs_approval=True)
async def approved_sample(number: int, size: int) -> str:
    """Take one sample."""
    return take_sample(number, size)


def bench_agent() -> Agent[Any]:
    """The agent."""
    return Agent(name=NAME, instructions=INSTRUCTIONS, tools=[sample])


def local_agent() -> Agent[Any]:
    """The agent whose samples are taken in their run's workflow task."""
    return Agent(name=LOCAL, instructions=INSTRUCTIONS, tools=[local_sample])


def approving_agent() -> Agent[Any]:
    """The agent whose samples wait for an approval."""
    return Agent(name=APPROVING, instructions=INSTRUCTIONS, tools=[approved_sample])


def config_of(job: Job) -> RunConfig:
    """The configuration with which a run does the job."""
    return RunConfig(model=job.model)
