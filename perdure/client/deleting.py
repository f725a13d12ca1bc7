"""Deletes a run: what Temporal keeps of it, and what lies in the blob store for it alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Generator

from temporalio.api.common.v1 import WorkflowExecution as ExecutionName
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from perdure.client.needing import Tell, needs_of, needs_of_all
from perdure.client.own_effects import effects_of
from perdure.client.pruning import Removed, refuse_shared, remove
from perdure.client.starting import find
from perdure.connection import Connection
from perdure.errors import UserError
from perdure.kept_blobs import KeptBlobs, StoredBlob
from perdure.run_summary import DeletedRun

# A worker that wrote a blob names it to its run within the heartbeat timeout of 4 s, or its attempt does not count.
_GRACE_SECONDS = 10.0
_GONE_SECONDS = 120.0  # the server deletes in the background
_LOOK_SECONDS = 0.1


async def delete_run(connection: Connection, blobs: KeptBlobs | None, run_id: str, tell: Tell) -> DeletedRun:
    """Deletes a run that has ended, with all its executions, also those before a reset or a rerun, and its effects.

    Args:
        connection: The run's namespace.
        blobs: Its blob store.
        run_id: The run.
        tell: Is told now and then how far it has come.

    Raises:
        RunNotFound: There is none.
        UserError: It has not ended; nothing was deleted.
    """
    client = connection.client
    executions = await _ended(client, run_id)
    executions += await effects_of(client, run_id, executions)
    own = [] if blobs is None else await _blobs_of(client, blobs, executions)
    removable, before, kept = list[StoredBlob](), 0.0, ""
    if blobs is not None and own:
        before = await _settled(own)
        try:
            removable = await _unneeded(connection, blobs, {each.id for each in executions}, own, tell)
        except UserError as error:
            kept = error.message
    deleted = await _delete_all(client, executions, run_id, tell)
    removed = Removed() if blobs is None else await asyncio.to_thread(remove, blobs, removable, before)
    return DeletedRun(deleted, removed.blobs, removed.bytes, kept)


async def _ended(client: Client, run_id: str) -> list[WorkflowExecution]:
    """All that Temporal keeps of a run, which must have ended.

    Raises:
        RunNotFound: There is none.
        UserError: It has not ended, or is no run.
    """
    newest = await find(client, run_id)
    if newest.workflow_type != "AgentRun":
        raise UserError(f"{run_id!r} is no run but a workflow of type {newest.workflow_type!r}; nothing was deleted.")
    if newest.close_time is None:
        raise UserError(
            f"Run {run_id!r} has not ended; nothing was deleted. Cancel it first (`perdure cancel`, `Run.cancel`), and "
            "delete it when it has stopped."
        )
    return [newest, *(each for each in await _executions(client, run_id) if each.run_id != newest.run_id)]


async def _executions(client: Client, run_id: str) -> list[WorkflowExecution]:
    """The run's executions."""
    return [each async for each in client.list_workflows(f"WorkflowId = {json.dumps(run_id, ensure_ascii=False)}")]


async def _blobs_of(client: Client, blobs: KeptBlobs, executions: list[WorkflowExecution]) -> list[StoredBlob]:
    needs = await needs_of(client, blobs, executions)
    return await asyncio.to_thread(lambda: [blob for blob in blobs.stored() if blob.digest in needs.needed])


async def _settled(own: list[StoredBlob]) -> float:
    """Waits until each run that wrote one of the blobs has named it; gives a time after they were written."""
    youngest = max(blob.written for blob in own)
    await asyncio.sleep(min(max(youngest + _GRACE_SECONDS - time.time(), 0.0), _GRACE_SECONDS))
    return youngest + 1e-3


async def _unneeded(
    connection: Connection, blobs: KeptBlobs, without: set[str], own: list[StoredBlob], tell: Tell
) -> list[StoredBlob]:
    await asyncio.to_thread(refuse_shared, connection, blobs)
    needs = await needs_of_all(connection.client, blobs, without=without, tell=tell)
    return [blob for blob in own if blob.digest not in needs.needed]


async def _delete_all(client: Client, executions: list[WorkflowExecution], run_id: str, tell: Tell) -> int:
    """Deletes the executions, and those that the server lists only now; gives their number."""
    deleted = set[str]()
    while executions:
        await delete_executions(client, executions, tell)
        deleted |= {each.run_id for each in executions}
        executions = [each for each in await _executions(client, run_id) if each.run_id not in deleted]
    return len(deleted)


async def delete_executions(client: Client, executions: list[WorkflowExecution], tell: Tell) -> None:
    """Deletes executions, and waits until they are gone: of one that has just ended the server takes half a minute.

    Raises:
        UserError: The server takes longer than two minutes.
    """
    for execution in executions:
        named = ExecutionName(workflow_id=execution.id, run_id=execution.run_id)
        asked = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=named)
        with _gone_is_fine():
            await client.workflow_service.delete_workflow_execution(asked)
    deadline = time.monotonic() + _GONE_SECONDS
    for number, execution in enumerate(executions):
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        with _gone_is_fine():
            while time.monotonic() < deadline:
                await handle.describe()
                tell(f"the server deletes {len(executions) - number} histories")
                await asyncio.sleep(_LOOK_SECONDS)
            raise UserError(
                f"The server has not deleted {execution.id!r} within {_GONE_SECONDS:g} s; its blobs stay. Delete the "
                "run again to be sure."
            )


@contextlib.contextmanager
def _gone_is_fine() -> Generator[None]:
    try:
        yield
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
