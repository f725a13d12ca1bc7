"""The worker process: serves a module's agents until it is told to stop.

Temporal's client and worker live on the background loop; the user's code runs on the main thread's, so that a tool
that blocks stops neither heartbeats nor answers.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import Worker

from perdure.cli.ending import ExitCode, perform
from perdure.cli.health import Health
from perdure.cli.modules import FoundAgents, find_agents
from perdure.cli.readiness import module_gaps, refuse
from perdure.cli.screen import Screen
from perdure.cli.server_readiness import server_gaps
from perdure.cli.versioning import version_gap, version_of
from perdure.client.attendance import Kind, workers_of
from perdure.client.blob_stores import blob_store
from perdure.client.host import Host
from perdure.client.inbox_metrics import report
from perdure.connection import Connection
from perdure.contracts.effects import EFFECTS_QUEUE
from perdure.errors import UserError
from perdure.keyring import keyring
from perdure.rooms import load_room
from perdure.telemetry import log_lines

logger = logging.getLogger("perdure.worker")

_READY_SECONDS = 10.0  # by then the server has seen the first poll, or something is slow and the log says so
_LAST_SECONDS = 10.0  # for steps that were told to stop when their time was up
_CHECK_SECONDS = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Serving:
    """What a worker process serves, and how.

    Attributes:
        queue: Its task queue.
        graceful_seconds: How long steps under way may go on after the process was told to stop.
        version: The build that it is; `None`: it is not versioned.
        health_port: Where it tells how it is, if anywhere.
    """

    found: FoundAgents
    queue: str
    graceful_seconds: float
    version: WorkerDeploymentVersion | None = None
    health_port: int | None = None

    @property
    def names(self) -> list[str]:
        """The agents' names."""
        return [agent.name for agent in self.found.agents.values()]


async def serve(serving: Serving, announce: Callable[[Connection, list[str]], None]) -> int:
    """Serves until SIGTERM or SIGINT; called on the loop that the user's code runs on.

    Args:
        serving: What is served.
        announce: Called once the worker takes steps, with what it lacks.

    Returns:
        The process's exit code.

    Raises:
        CommandFailed: Something is missing without which it cannot serve.
    """
    host, health = Host.current(), Health()
    if serving.health_port is not None:
        answering = await host.call(health.start(serving.health_port))
        logger.info("health: port %d, /live and /ready", answering.sockets[0].getsockname()[1])
    connection, lacks = await _prepared(host, serving)
    worker = await host.call(_build(host, connection, serving))
    await host.call(host.serve_effects())
    watch_queue = await host.call(host.serve_watchers())
    stop = _Stop(host, worker, health)
    running = asyncio.wrap_future(host.background.submit(worker.run()))
    _log_start(serving, connection)
    beside = [host.background.submit(work) for work in (_watch(connection, health), report(connection, serving.queue))]
    try:
        wanted: list[tuple[str, Kind]] = [
            (serving.queue, "activity"),
            (EFFECTS_QUEUE, "workflow"),
            (watch_queue, "workflow"),
        ]
        if await _is_polling(host, connection, wanted, running):
            lacks += await _version_lacks(host, connection, serving)
            announce(connection, lacks)
            health.started = True
            logger.info("perdure worker: ready")
        return await _end_of(running, stop, serving)
    finally:
        for each in beside:
            each.cancel()


async def _prepared(host: Host, serving: Serving) -> tuple[Connection, list[str]]:
    """The connection, and what is lacking, which the log has by now; the agents are served from here on.

    Raises:
        CommandFailed: Something is missing without which it cannot serve.
    """
    gaps = module_gaps(serving.found)
    refuse(serving.found.module, gaps)
    connection = await host.call(host.connection())
    gaps += await host.call(server_gaps(connection))
    refuse(serving.found.module, gaps)
    for gap in gaps:
        logger.warning("%s", gap.text)
    host.served.serve(list(serving.found.agents.values()), asyncio.get_running_loop(), serving.found.context_factory)
    host.served.session_factory = serving.found.session_factory
    return connection, [gap.text for gap in gaps]


async def _version_lacks(host: Host, connection: Connection, serving: Serving) -> list[str]:
    """What keeps new runs from a versioned worker."""
    if serving.version is None:
        return []
    gap = await host.call(version_gap(connection.client, serving.version))
    if gap is not None:
        logger.warning("%s", gap)
    return [] if gap is None else [gap]


async def _build(host: Host, connection: Connection, serving: Serving) -> Worker:
    room = load_room("worker")
    settings = room.WorkerSettings(
        task_queue=serving.queue, graceful_seconds=serving.graceful_seconds, version=serving.version
    )
    return room.build_worker(connection.client, host.served, blob_store(connection), settings, host.events)


def _log_start(serving: Serving, connection: Connection) -> None:
    logger.info("module %s: serving %s", serving.found.module, ", ".join(serving.names))
    if (ring := keyring()) is not None:
        taken = "; what is not encrypted is taken, too" if ring.accepts_plain else ""
        logger.info("encrypting with key %s, decrypting with %s%s", ring.first.id, ", ".join(ring.ids), taken)
    logger.info(
        "task queue %s at %s, namespace %s%s",
        serving.queue,
        connection.address,
        connection.namespace,
        " (embedded server)" if connection.embedded else "",
    )
    if serving.version is not None:
        logger.info("build %s of deployment %s", serving.version.build_id, serving.version.deployment_name)
    logger.info("Temporal UI: %s", connection.ui_url or "unknown (set PERDURE_UI_URL)")


async def _is_polling(
    host: Host, connection: Connection, wanted: list[tuple[str, Kind]], running: asyncio.Future[None]
) -> bool:
    """Waits until the server knows this process as one that takes steps, and answers for the ledger and for watchers.

    Returns:
        False if the worker ended before.
    """
    client = connection.client
    for _ in range(int(_READY_SECONDS / 0.1)):
        if running.done():
            return False
        with contextlib.suppress(RPCError):  # a server that is away for a moment has not seen it yet
            while wanted and client.identity in await host.call(workers_of(client, *wanted[0])):
                del wanted[0]
            if not wanted:
                return True
        await asyncio.wait([running], timeout=0.1)
    missing = ", ".join(name for name, _ in wanted)
    logger.warning("the server has not seen this worker poll %s for %g s; runs wait for that", missing, _READY_SECONDS)
    return True


async def _end_of(running: asyncio.Future[None], stop: _Stop, serving: Serving) -> int:
    stopped = asyncio.create_task(stop.asked.wait())
    await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not stop.asked.is_set():
        return await _failed(running)
    logger.info(
        "stopping: no new steps; those under way have %g s (a second signal ends at once)", serving.graceful_seconds
    )
    await asyncio.wait({running}, timeout=serving.graceful_seconds + _LAST_SECONDS)
    if running.done():
        logger.info("stopped")
    else:
        logger.warning("steps did not stop in time and are lost; another worker takes them up as their tools allow")
    return ExitCode.OK


async def _failed(running: asyncio.Future[None]) -> int:
    try:
        await running
    except Exception:
        logger.exception("the worker failed")
    else:
        logger.error("the worker ended without being told to")
    return ExitCode.FAILED


async def _watch(connection: Connection, health: Health) -> None:
    """Says when the server does not answer, and when it does again; temporalio tries by itself."""
    while True:
        await asyncio.sleep(_CHECK_SECONDS)
        before, health.lost = health.lost, await _problem(connection)
        if health.lost is not None and before is None:
            logger.warning("the server at %s does not answer (%s); trying on", connection.address, health.lost)
        elif health.lost is None and before is not None:
            logger.info("the server at %s answers again", connection.address)


async def _problem(connection: Connection) -> str | None:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await connection.client.service_client.check_health()
    except TimeoutError:
        return f"nothing within {_CHECK_SECONDS:g} s"
    except RPCError as error:
        return error.message
    return None


class _Stop:
    """Stops the worker at the first signal, the process at the second.

    The handlers are Python's own, not the loop's: user code that blocks the loop does not keep the worker polling.
    """

    def __init__(self, host: Host, worker: Worker, health: Health) -> None:
        self.asked = asyncio.Event()
        self._host, self._worker, self._health = host, worker, health
        self._loop = asyncio.get_running_loop()
        self._stopping: concurrent.futures.Future[None] | None = None
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._stopping is not None:
            os._exit(128 + number)  # as a shell reports a process that a signal ended
        self._health.stopping = True
        self._stopping = self._host.background.submit(self._worker.shutdown())
        self._loop.call_soon_threadsafe(self.asked.set)


def run_worker(
    screen: Screen, module: str, log_level: str, version: tuple[str | None, str | None], **options: Any
) -> NoReturn:
    """Serves the module's agents in this process, which ends with it.

    Args:
        screen: Where the start is shown.
        module: The module.
        log_level: Its name, as `logging` has it.
        version: Deployment and build, if any.
        options: The other fields of `Serving`.
    """
    level = logging.getLevelNamesMapping().get(log_level.upper())

    def work() -> Coroutine[Any, Any, int]:  # imports the module before there is a loop, as Python would
        if level is None:
            raise UserError(f"Log level {log_level!r} is unknown; take one of debug, info, warning, error.")
        log_lines.configure(level)
        serving = Serving(find_agents(module), version=version_of(*version), **options)
        return serve(serving, lambda connection, lacks: screen.show(_document(serving, connection, lacks), []))

    if level == logging.INFO:  # temporalio's own lines at that level speak of its insides
        logging.getLogger("temporalio").setLevel(logging.WARNING)
    perform(screen, work, busy="")


def _document(serving: Serving, connection: Connection, lacks: list[str]) -> dict[str, Any]:
    return {
        "agents": serving.names,
        "queue": serving.queue,
        "address": connection.address,
        "namespace": connection.namespace,
        "ui_url": connection.ui_url,
        "warnings": lacks,
    }
