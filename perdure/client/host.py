"""This process as a host of runs: its connection, its worker, and the objects it lends to its runs."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from perdure.client.background import BackgroundLoop
from perdure.client.blob_stores import blob_store
from perdure.client.queues import QueueLock, is_of_this_host, new_queue_name, remove_old_locks
from perdure.client.serving import Serving, end
from perdure.connection import Connection, connect
from perdure.contracts.effects import EFFECTS_QUEUE
from perdure.contracts.watching import is_watch_queue, watch_queue
from perdure.errors import ServerUnavailable
from perdure.event_hub import EventHub
from perdure.kept_blobs import KeptBlobs
from perdure.rooms import load_room
from perdure.served import ServedAgents
from perdure.server import data_home, server_status
from perdure.telemetry import pipeline as telemetry

_log = logging.getLogger("perdure")
_T = TypeVar("_T")

_LOOK_SECONDS = 1.0  # between two looks whether the embedded server still runs; each takes about 3 ms
_KEEP_SECONDS = 2.0
_STOP_SECONDS = 10.0  # a worker that has not stopped by then is left to the end of the process
# temporalio can crash while the interpreter ends (sdk-python issue 300): its last callbacks want a moment.
_QUIET_SECONDS = 0.1


class Host:
    """What of Perdure lives in this process; there is one, made when it is first needed.

    Its worker takes steps while a loop of user code runs, because tools run there; otherwise it only answers queries,
    signals and updates.
    """

    _lock = threading.Lock()
    _current: Host | None = None

    def __init__(self) -> None:
        self.background = BackgroundLoop()
        self.served = ServedAgents()
        self.events = EventHub()
        self._pid = os.getpid()
        self._connection: Connection | None = None
        self._looked_at = 0.0
        self._keeping: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()
        self._queue: str | None = None
        self._locks: dict[str, QueueLock] = {}
        self._serving: dict[str, Serving] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._closing = False
        self._changing = asyncio.Lock()
        self._leases: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}
        self._threads: dict[asyncio.AbstractEventLoop, threading.Thread] = {}
        _at_exit(self.close)

    @classmethod
    def current(cls) -> Host:
        """This process's host; a forked child gets one of its own."""
        with cls._lock:
            if cls._current is None or cls._current._pid != os.getpid():
                cls._current = cls()
            return cls._current

    async def call(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Does work on the background loop for a caller on another one."""
        return await self.background.call(work)

    async def connection(self) -> Connection:
        """The connection to the server; an embedded server that has ended since is started again."""
        async with self._connecting:
            known = self._connection
            if known is None:
                known = self._connection = await connect()
                if known.embedded:
                    self._keeping = asyncio.create_task(self._keep_server())
            elif known.embedded and time.monotonic() - self._looked_at > _LOOK_SECONDS:
                self._looked_at = time.monotonic()
                status = await asyncio.to_thread(server_status)
                if status is None or status.address != known.address:
                    known = await self._connect_again(known)
            return known

    async def _keep_server(self) -> None:
        """Starts the embedded server again if it ends while this process serves runs."""
        while True:
            await asyncio.sleep(_KEEP_SECONDS)
            known = self._connection
            if self._serving and known is not None and known.home == data_home():
                with contextlib.suppress(ServerUnavailable):  # whoever waits for the server says so
                    await self.connection()

    async def _connect_again(self, known: Connection) -> Connection:
        """After the embedded server has ended; on its old ports, as a rule, client and workers find it themselves."""
        _log.warning("the embedded Temporal server at %s has ended; connecting again", known.address)
        new = await connect()
        if new.address == known.address:
            return known
        self._connection = new
        blobs = await asyncio.to_thread(blob_store, new)
        for queue, serving in list(self._serving.items()):
            del self._serving[queue]
            self._ending.add(asyncio.create_task(end(serving)))
            if new.home == known.home and (self._is_ours(queue) or is_watch_queue(queue)):
                self._serving[queue] = self._started(new, blobs, queue, takes_steps=serving.takes_steps)
        if new.home != known.home:
            self._queue, self._locks = None, {}
        return new

    async def blobs(self) -> KeptBlobs | None:
        """Where large items lie: in `PERDURE_BLOBS`, the embedded server's directory, or nowhere."""
        return await asyncio.to_thread(blob_store, await self.connection())

    def lease(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serves user code on this loop until it ends; called on the loop itself."""
        if loop not in self._leases:
            self._threads[loop] = threading.current_thread()
            self._leases[loop] = loop.create_task(self._hold(loop), name="perdure serves this loop")

    async def _hold(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            await loop.create_future()
        finally:
            self._leases.pop(loop, None)
            self._threads.pop(loop, None)
            if not self._leases and not self._closing:
                with contextlib.suppress(asyncio.CancelledError, RuntimeError):
                    await asyncio.wait_for(self.call(self._after_last_loop()), _STOP_SECONDS)

    async def own_queue(self) -> str:
        """The task queue of this process, served."""
        if self._queue is None:
            home = (await self.connection()).home
            remove_old_locks(home / "queues")
            queue = new_queue_name()
            if not self._hold_lock(home, queue):
                raise RuntimeError(f"the new queue {queue} is already locked")
            self._queue = queue
        await self.serve(self._queue)
        return self._queue

    async def take_over(self, queue: str, *, by_force: bool = False) -> bool:
        """Serves a dead process's queue; False while its owner lives or cannot be known to be dead."""
        if queue not in self._locks:
            home = (await self.connection()).home
            known = is_of_this_host(queue) and QueueLock(home / "queues", queue).exists()
            if not (by_force or known) or not self._hold_lock(home, queue):
                return False
            _log.info("serving queue %s, whose process has ended", queue)
        await self.serve(queue)
        return True

    def _hold_lock(self, home: Path, queue: str) -> bool:
        lock = QueueLock(home / "queues", queue)
        if lock.acquire():
            self._locks[queue] = lock
            return True
        return False

    async def serve(self, queue: str) -> None:
        """Runs a worker on the queue; it takes steps while there is a loop for the user's code."""
        await self.serve_effects()
        if self._leases:
            await self.serve_watchers()
        await self._ensure_worker(queue, takes_steps=bool(self._leases))

    async def serve_effects(self) -> None:
        """Answers for the ledger of effects, as every process with a worker does."""
        await self._ensure_worker(EFFECTS_QUEUE, takes_steps=False)

    async def serve_watchers(self) -> str:
        """Answers watchers in other processes, as every process that asks models does; gives the queue for that."""
        queue = watch_queue((await self.connection()).client.identity)
        await self._ensure_worker(queue, takes_steps=False)
        return queue

    async def answer_for(self, queue: str) -> None:
        """Runs a worker on the queue that takes no steps, so that the runs there can answer."""
        await self._ensure_worker(queue, takes_steps=False)

    def serves(self, queue: str) -> bool:
        """Whether a worker of this process polls the queue."""
        return queue in self._serving

    def owns(self, queue: str) -> bool:
        """Whether no other process serves the queue."""
        return queue in self._locks

    async def owner_is_dead(self, queue: str) -> bool:
        """Whether the process that owns the queue is known to have ended."""
        if not is_of_this_host(queue) or queue in self._locks:
            return False
        lock = QueueLock((await self.connection()).home / "queues", queue)
        free = lock.exists() and lock.acquire()
        lock.release()
        return free

    async def _ensure_worker(self, queue: str, *, takes_steps: bool) -> None:
        async with self._changing:
            serving = self._serving.get(queue)
            if serving is not None and (serving.takes_steps or not takes_steps):
                return
            if serving is not None:
                await self._stop_worker(queue)
            await self._start_worker(queue, takes_steps=takes_steps)

    async def _start_worker(self, queue: str, *, takes_steps: bool) -> None:
        connection, blobs = await self.connection(), await self.blobs()
        self._serving[queue] = self._started(connection, blobs, queue, takes_steps=takes_steps)

    def _started(self, connection: Connection, blobs: KeptBlobs | None, queue: str, *, takes_steps: bool) -> Serving:
        room = load_room("worker")
        if is_watch_queue(queue):
            worker = room.build_watch_worker(connection.client, queue, self.events)
        else:
            settings = room.WorkerSettings(task_queue=queue, activities=takes_steps)
            worker = room.build_worker(connection.client, self.served, blobs, settings, self.events)
        return Serving(worker, asyncio.create_task(worker.run(), name=f"worker of {queue}"), takes_steps)

    async def _after_last_loop(self) -> None:
        """The last loop of user code has ended: the workers of queues that are ours go on without taking steps."""
        async with self._changing:
            if self._leases:  # another loop has come meanwhile
                return
            for queue in list(self._serving):
                await self._stop_worker(queue)
                if self._is_ours(queue) and not self._closing:
                    await self._start_worker(queue, takes_steps=False)

    def _is_ours(self, queue: str) -> bool:
        return queue in self._locks or queue == EFFECTS_QUEUE

    async def _stop_worker(self, queue: str) -> None:
        await end(self._serving.pop(queue))

    async def _stop_workers(self) -> None:
        async with self._changing:
            await asyncio.gather(*(self._stop_worker(queue) for queue in list(self._serving)))

    def _wait_for_threads(self) -> None:
        """The interpreter waits for threads that are no daemons, so what their loops run goes on until then."""
        while any(loop.is_running() and not thread.daemon for loop, thread in list(self._threads.items())):
            time.sleep(_QUIET_SECONDS)

    def close(self) -> None:
        """Stops what runs here; registered for the interpreter's end."""
        if self._closing or self._pid != os.getpid():
            return
        self._wait_for_threads()
        self._closing = True
        for loop, lease in list(self._leases.items()):
            if not loop.is_running() and not loop.is_closed():
                lease.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    loop.run_until_complete(lease)
        try:
            self.background.submit(self._stop_workers()).result(_STOP_SECONDS)
        except Exception:  # noqa: BLE001  the process ends, whatever a worker that does not stop has to say
            _log.warning("the worker did not stop within %g s; its steps are taken up by the next one", _STOP_SECONDS)
        self.background.close(_STOP_SECONDS)
        telemetry.close()
        for lock in self._locks.values():
            lock.release()
        time.sleep(_QUIET_SECONDS)


def _at_exit(close: Callable[[], None]) -> None:
    """Calls `close` when the interpreter ends, while thread pools still work: without them no worker can stop.

    `atexit` comes too late for that: the pools end before it, by this very function of `threading`, whose callbacks run
    in reverse order. So the pools' module must have been imported before, which `background` sees to.
    """
    register = getattr(threading, "_register_atexit", atexit.register)
    register(close)
