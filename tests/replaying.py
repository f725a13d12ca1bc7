"""Replays histories: what a server has made, or a version of Perdure has left, must run again, event by event."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer

from perdure.contracts.converter import data_converter
from perdure.contracts.effects import EFFECT
from perdure.contracts.watching import WATCH
from tests.thoroughness import is_sampled
from workflows.agent_run import AgentRun
from workflows.effect import Effect
from workflows.watch import Watch

NAMESPACE = "default"  # a transcript's digests name it


async def failures_of(histories: AsyncIterator[WorkflowHistory]) -> dict[str, Exception]:
    """What keeps histories from running again on today's code, by the execution's id."""
    replayer = Replayer(workflows=[AgentRun, Effect, Watch], data_converter=data_converter, namespace=NAMESPACE)
    return dict((await replayer.replay_workflows(histories, raise_on_replay_failure=False)).replay_failures)


async def replay_everything(address: str) -> None:
    """Replays every history, or of many one in six; what does not replay is kept as a file."""
    client = await Client.connect(address, data_converter=data_converter, namespace=NAMESPACE)
    replayed: dict[str, WorkflowHistory] = {}

    async def histories() -> AsyncIterator[WorkflowHistory]:
        kinds = ", ".join(f'"{kind}"' for kind in ("AgentRun", EFFECT, WATCH))
        async for execution in client.list_workflows(f"WorkflowType IN ({kinds})"):
            if is_sampled(execution.run_id, 6):
                handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
                replayed[execution.run_id] = await handle.fetch_history()
                yield replayed[execution.run_id]

    failures: list[str] = []
    for run_id, error in (await failures_of(histories())).items():
        kept = Path(tempfile.mkdtemp(prefix="perdure-not-replayed-")) / f"{run_id}.json"
        kept.write_text(replayed[run_id].to_json())
        failures.append(f"{replayed[run_id].workflow_id}, kept as {kept}: {error}")
    assert not failures, f"{len(failures)} of {len(replayed)} histories do not replay:\n" + "\n".join(failures)
