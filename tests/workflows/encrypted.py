"""A namespace whose runs are encrypted, with clients that have other keys, or none."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError

from perdure import Agent
from perdure.contracts.converter import converter_with
from perdure.contracts.effects import EFFECTS_QUEUE
from perdure.contracts.messages import StatusView
from perdure.keyring import Keyring
from perdure.served import ServedAgents
from tests.namespaces import Place, new_place
from worker import WorkerSettings, build_worker


@dataclasses.dataclass(frozen=True)
class Vault:
    """A namespace, by clients with different keys."""

    place: Place

    async def client(self, ring: Keyring | None) -> Client:
        """A client with these keys; without any, it sends and reads what is there."""
        namespace = self.place.client.namespace
        address = self.place.connection.address
        return await Client.connect(address, namespace=namespace, data_converter=converter_with(lambda: ring))

    @contextlib.asynccontextmanager
    async def serving(
        self, ring: Keyring | None, run_id: str, agent: Agent[Any], *, takes_steps: bool = True
    ) -> AsyncIterator[None]:
        """A worker with these keys."""
        served = ServedAgents()
        served.serve([agent], asyncio.get_running_loop())
        runs, effects = WorkerSettings(run_id, activities=takes_steps), WorkerSettings(EFFECTS_QUEUE, activities=False)
        client = await self.client(ring)
        workers = [build_worker(client, served, self.place.blobs, each) for each in (runs, effects)]
        async with workers[0], workers[1]:
            yield


async def new_vault(folder: Path) -> Vault:
    return Vault(await new_place(folder))


async def status_of(handle: WorkflowHandle[Any, Any]) -> StatusView:
    return await handle.query("status", result_type=StatusView)


async def until(handle: WorkflowHandle[Any, Any], holds: Callable[[StatusView], bool]) -> StatusView:
    """The run's status once something holds of it."""
    async with asyncio.timeout(60):
        while True:
            try:
                if holds(status := await status_of(handle)):
                    return status
            except WorkflowQueryFailedError as error:  # between two workflow tasks a run has no answer yet
                if "ask again" not in error.message:
                    raise
            await asyncio.sleep(0.05)


async def failed_tasks(handle: WorkflowHandle[Any, Any]) -> list[tuple[str, str]]:
    """The types and texts of the workflow tasks that failed."""
    return [
        (told.failure.application_failure_info.type, told.failure.message)
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        for told in [event.workflow_task_failed_event_attributes]
    ]
