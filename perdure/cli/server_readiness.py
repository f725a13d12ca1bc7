"""What the Temporal server and the blob store lack for the runs that a worker is to serve."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeNamespaceResponse

from perdure.cli.readiness import Gap
from perdure.client.blob_stores import store_at
from perdure.connection import Connection, missing_search_attributes
from perdure.errors import UserError
from perdure.limits import (
    MAX_COMMAND_BYTES,
    MAX_INLINE_ITEM_BYTES,
    MAX_PAGE_BYTES,
    MAX_RESULT_BYTES,
    MAX_TASK_BYTES,
)
from perdure.search_attributes import commands_for

_SHORTEST_RETENTION = timedelta(days=3)  # a run that ended on a Friday is known on Monday
_LARGEST_PAYLOAD_BYTES = max(MAX_COMMAND_BYTES, MAX_RESULT_BYTES, MAX_PAGE_BYTES)


async def server_gaps(connection: Connection) -> list[Gap]:
    """What the namespace and the blob store lack; that there is one, and a server new enough, is known by now."""
    told = await connection.client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=connection.namespace)
    )
    found = [*namespace_gaps(connection.namespace, told), *_blob_gaps(connection)]
    return [*found, *list_gaps(connection.namespace, await missing_search_attributes(connection.client))]


def list_gaps(namespace: str, lacks: dict[str, int]) -> Iterator[Gap]:
    """What the list of runs cannot be filtered by."""
    if lacks:
        commands = ", ".join(commands_for(namespace, lacks))
        yield Gap(
            f"Namespace {namespace!r} has no search attributes {', '.join(lacks)}: runs work without, but the Temporal "
            f"UI cannot list those that wait for somebody. Register them with `perdure setup`, or with {commands}."
        )


def namespace_gaps(name: str, told: DescribeNamespaceResponse) -> list[Gap]:
    """What a namespace lacks."""
    return [gap for check in (_retention_gaps, _limit_gaps, _capability_gaps) for gap in check(name, told)]


def _retention_gaps(name: str, told: DescribeNamespaceResponse) -> Iterator[Gap]:
    kept = told.config.workflow_execution_retention_ttl.ToTimedelta()
    if timedelta(0) < kept < _SHORTEST_RETENTION:
        hours = kept.total_seconds() / 3600
        yield Gap(
            f"Namespace {name!r} forgets a run {hours:g} hours after its end: then its run id starts a new run instead "
            "of giving the same answer, and its keys of effects may be used anew. Keep runs for longer: `temporal "
            f"operator namespace update -n {name} --retention 90d`."
        )


def _limit_gaps(name: str, told: DescribeNamespaceResponse) -> Iterator[Gap]:
    limits = told.namespace_info.limits
    for what, given, needed, setting in (
        ("payloads", limits.blob_size_limit_error, _LARGEST_PAYLOAD_BYTES, "limit.blobSize.error"),
        ("workflow tasks", limits.workflow_task_completion_size_limit_error, MAX_TASK_BYTES, ""),
    ):
        if 0 < given <= needed:  # 0: the server does not tell
            how = f" (`{setting}`)" if setting else ""
            yield Gap(
                f"Namespace {name!r} takes {what} of at most {given} bytes, and a run may send {needed} and what "
                f"stands around them: one with large items is terminated or stands still. Raise that limit{how}."
            )


def _capability_gaps(name: str, told: DescribeNamespaceResponse) -> Iterator[Gap]:
    info = told.namespace_info
    if info.HasField("capabilities") and not info.capabilities.sync_update:
        yield Gap(
            f'Namespace {name!r} takes no updates: tools with `effect="once"` cannot run, as their ledger needs them. '
            "Switch them on (`frontend.enableUpdateWorkflowExecution`)."
        )


def _blob_gaps(connection: Connection) -> Iterator[Gap]:
    configured = os.environ.get("PERDURE_BLOBS")
    if not configured:
        if not connection.embedded:
            yield Gap(
                "PERDURE_BLOBS is not set, so there is no blob store: a tool's output over "
                f"{MAX_INLINE_ITEM_BYTES} bytes is cut to its beginning, anything else of that size is refused, and a "
                "very long run ends before its time. Set it to a directory that all clients and workers share."
            )
        return
    is_bucket, was_there = "://" in configured, Path(configured).is_dir()
    try:
        store = store_at(configured)
        store.remove(store.put(os.urandom(16)), before=math.inf)
    except UserError as error:
        yield Gap(f"{error.message} Correct PERDURE_BLOBS={configured!r}, or its rights.", stops=True)
        return
    if not is_bucket and not was_there:
        yield Gap(
            f"The blob store PERDURE_BLOBS={configured!r} was not there and has been made: make sure that it is the "
            "directory which clients and other workers share, and not the place where one should be mounted."
        )
