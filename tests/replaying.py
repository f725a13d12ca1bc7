"""Replays histories of a server: what the tests have made must run again, event by event."""

from __future__ import annotations

from temporalio.client import Client
from temporalio.worker import Replayer

from perdure.contracts.converter import data_converter
from tests.thoroughness import is_sampled
from workflows.agent_run import AgentRun


async def replay_everything(address: str) -> None:
    """Replays every history, or of many one in four."""
    client = await Client.connect(address, data_converter=data_converter)
    replayer = Replayer(workflows=[AgentRun], data_converter=data_converter)
    failures: list[str] = []
    count = 0
    async for execution in client.list_workflows('WorkflowType = "AgentRun"'):
        if not is_sampled(execution.run_id, 4):
            continue
        history = await client.get_workflow_handle(execution.id, run_id=execution.run_id).fetch_history()
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        count += 1
        if result.replay_failure is not None:
            failures.append(f"{execution.id}: {result.replay_failure}")
    assert not failures, f"{len(failures)} of {count} histories do not replay:\n" + "\n".join(failures)
