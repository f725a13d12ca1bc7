"""`perdure setup`: makes a namespace ready for runs."""

from __future__ import annotations

import asyncio

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from perdure.cli.ending import CommandFailed, ExitCode
from perdure.cli.screen import Line, Screen
from perdure.client.host import Host
from perdure.connection import missing_search_attributes
from perdure.search_attributes import REGISTERED, STATUS, commands_for

_KNOWN_SECONDS = 60.0  # by then every part of a server knows of a new search attribute
_PAUSE_SECONDS = 0.2


async def set_up(screen: Screen) -> int:
    """Registers the search attributes that the namespace lacks, and waits until runs can use them.

    Raises:
        CommandFailed: The server does not let them be registered, or has one of that name and another type.
    """
    host = Host.current()
    connection = await host.call(host.connection())
    added = await host.call(_register(screen, connection.client))
    what = f"registered {', '.join(added)}" if added else "has them all"
    text = f"Namespace {connection.namespace} at {connection.address}: {what}. Runs that start from now on have them."
    document = {"namespace": connection.namespace, "registered": list(added), "search_attributes": list(REGISTERED)}
    screen.show(document, [Line(text)])
    if added:
        screen.note("Programs and workers that were connected before use them once they are started again.")
    return ExitCode.OK


async def _register(screen: Screen, client: Client) -> dict[str, int]:
    lacks = await missing_search_attributes(client)
    if not lacks:
        return {}
    asked = AddSearchAttributesRequest(namespace=client.namespace)
    for name, kind in lacks.items():
        asked.search_attributes[name] = IndexedValueType.ValueType(kind)
    try:
        await client.operator_service.add_search_attributes(asked)
        screen.progress.tell("waiting until the server knows the search attributes")
        await asyncio.wait_for(_until_known(client), _KNOWN_SECONDS)
    except (RPCError, TimeoutError) as error:
        raise CommandFailed(ExitCode.FAILED, type(error).__name__, _refused(client.namespace, lacks, error)) from error
    return lacks


async def _until_known(client: Client) -> None:
    while True:
        try:
            await client.count_workflows(f'{STATUS.name} = "running"')
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
        else:
            if not await missing_search_attributes(client):
                return
        await asyncio.sleep(_PAUSE_SECONDS)


def _refused(namespace: str, lacks: dict[str, int], error: Exception) -> str:
    said = getattr(error, "message", None) or f"not known within {_KNOWN_SECONDS:g} s"
    return (
        f"The search attributes {', '.join(lacks)} could not be registered in namespace {namespace!r}: {said}. Have "
        f"somebody do it who may: {', '.join(commands_for(namespace, lacks))}; on Temporal Cloud in the namespace's "
        "settings. Runs work without them."
    )
