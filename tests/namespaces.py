"""A namespace of one's own, with a blob store: what is counted or removed in it is nobody else's."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from perdure import Agent
from perdure.blob_directory import DirectoryBlobStore
from perdure.blob_objects import ObjectBlobStore
from perdure.connection import Connection, connect
from perdure.contracts.converter import data_converter
from perdure.contracts.effects import EFFECTS_QUEUE
from perdure.contracts.run import RunInput, RunSettings
from perdure.kept_blobs import KeptBlobs
from perdure.served import ServedAgents
from tests.buckets import Bucket
from worker import WorkerSettings, build_worker


@dataclass(frozen=True)
class Place:
    """A namespace and its blob store, whose files lie in a folder; `touched` tells a server of theirs to look anew."""

    connection: Connection
    blobs: KeptBlobs
    folder: Path
    touched: Callable[[], None] = lambda: None

    @property
    def client(self) -> Client:
        return self.connection.client

    @property
    def digests(self) -> set[str]:
        """The blobs that are there."""
        return {blob.digest for blob in self.blobs.stored()}

    async def start(self, agent: str, given: list[dict[str, Any]], **settings: Any) -> WorkflowHandle[Any, Any]:
        """A run that nobody serves yet, on a queue of its id."""
        run_id = f"run-{uuid.uuid4().hex[:8]}"
        value = RunInput(agent=agent, input=given, max_turns=None, settings=RunSettings(**settings))
        return await self.client.start_workflow("AgentRun", value, id=run_id, task_queue=run_id)

    async def serve(self, handle: WorkflowHandle[Any, Any], agent: Agent[Any]) -> None:
        """Serves a run to its end."""
        served = ServedAgents()
        served.serve([agent], asyncio.get_running_loop())
        runs, effects = WorkerSettings(handle.id), WorkerSettings(EFFECTS_QUEUE, activities=False)
        serving, remembering = (build_worker(self.client, served, self.blobs, each) for each in (runs, effects))
        async with serving, remembering:
            await handle.result()

    async def ran(self, agent: Agent[Any], **settings: Any) -> str:
        """A run that has ended: its id."""
        handle = await self.start(agent.name, [{"role": "user", "content": "go"}], **settings)
        await self.serve(handle, agent)
        return handle.id

    def age(self) -> None:
        """Makes all blobs two hours old."""
        for blob in self.blobs.stored():
            then = time.time() - 7200
            os.utime(self.file(blob.digest), (then, then))
        self.touched()

    def file(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest


async def new_place(folder: Path, bucket: Bucket | None = None) -> Place:
    """A new namespace on the tests' server, with a blob store in a folder, or a bucket that lies there."""
    known = await connect()
    name = f"place-{uuid.uuid4().hex[:8]}"
    asked = RegisterNamespaceRequest(namespace=name)
    asked.workflow_execution_retention_period.FromTimedelta(timedelta(days=1))
    await known.client.workflow_service.register_namespace(asked)
    client = await Client.connect(known.address, namespace=name, data_converter=data_converter)
    await until_known(client)
    connection = Connection(client, None, False, name, known.address, folder, namespace_id=name)
    blobs = DirectoryBlobStore(folder) if bucket is None else ObjectBlobStore(bucket.url)
    blobs.join(name, name)
    return Place(connection, blobs, folder) if bucket is None else Place(connection, blobs, folder, bucket.restart)


async def until_known(client: Client) -> None:
    """The server learns of a new namespace in the background."""
    for _ in range(300):
        try:
            _ = [each async for each in client.list_workflows(limit=1)]
        except RPCError:
            await asyncio.sleep(0.1)
        else:
            return
    raise AssertionError(f"the server does not know {client.namespace}")
