"""One Temporal server for the whole session, on a home of its own; at the end every history on it is replayed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from perdure.connection import connect
from perdure.contracts.converter import data_converter
from perdure.server import server_status, stop_server
from workflows.agent_run import AgentRun

_TEMPORAL_SETTINGS = ("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_PROFILE", "TEMPORAL_API_KEY", "PERDURE_BLOBS")


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    for name in _TEMPORAL_SETTINGS:
        os.environ.pop(name, None)
    folder = tmp_path_factory.mktemp("perdure-home")
    os.environ["PERDURE_HOME"] = str(folder)
    os.environ["TEMPORAL_CONFIG_FILE"] = str(folder / "no-temporal.toml")
    os.environ["OPENAI_API_KEY"] = "none is needed"
    yield folder
    os.environ["PERDURE_HOME"] = str(folder)
    try:
        if server_status() is not None:
            asyncio.run(_replay_everything())
    finally:
        stop_server()


@pytest.fixture(params=["cached", "always replayed"])
def cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs the test twice: with runs kept in memory, and with each replayed from its history at every step."""
    if request.param == "always replayed":
        monkeypatch.setenv("PERDURE_MAX_CACHED_WORKFLOWS", "0")
    return request.param


async def _replay_everything() -> None:
    client = (await connect()).client
    replayer = Replayer(workflows=[AgentRun], data_converter=data_converter)
    failures: list[str] = []
    count = 0
    async for execution in client.list_workflows('WorkflowType = "AgentRun"'):
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        history: WorkflowHistory = await handle.fetch_history()
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        count += 1
        if result.replay_failure is not None:
            failures.append(f"{execution.id}: {result.replay_failure}")
    assert not failures, f"{len(failures)} of {count} histories do not replay:\n" + "\n".join(failures)
