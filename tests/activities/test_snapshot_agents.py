"""The snapshot of an agent that a run knows by name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.definitions import Definitions
from activities.snapshot_agents import SnapshotAgents
from perdure.agent import Agent
from perdure.contracts.run import RunSettings
from perdure.contracts.steps import SnapshotInput, SnapshotOutput
from tests.activities.workbench import Workbench


async def taken(agent: Agent[Any], **config: Any) -> SnapshotOutput:
    bench = Workbench(agent)
    bench.served.serve([agent], asyncio.get_running_loop())
    step = SnapshotAgents(bench.served, Definitions(bench.client))
    wanted = SnapshotInput(agent=agent.name, settings=RunSettings(config=config))
    return await ActivityEnvironment().run(step.snapshot_agents, wanted)


async def test_the_runs_configuration_counts() -> None:
    config: dict[str, Any] = {"model": "m", "model_provider": {"openai_use_responses": False}}
    definition = (await taken(Agent(name="A"), **config)).snapshot.agents["A"]
    assert (definition.model, definition.provider) == ("m", {"openai_use_responses": False})


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [("mcp_servers", [object()], "UserError"), ("hooks", 5, "TypeError"), ("tools", [5], "UserError")],
)
async def test_an_agent_that_cannot_run_ends_the_run(field: str, value: Any, kind: str) -> None:
    agent: Agent[Any] = Agent(name="A")
    setattr(agent, field, value)
    with pytest.raises(ApplicationError, match=field) as raised:
        await taken(agent)
    assert (raised.value.type, raised.value.non_retryable) == (kind, True)
