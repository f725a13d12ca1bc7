"""Brings what models say in other processes to a watcher in this one.

Every process that serves a task queue is asked, by a query that it answers out of its memory (`workflows/watch.py`):
often while something happens, now and then otherwise, so that it knows that the run is watched. Nothing of it is in the
run's history.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio.client import Client, WorkflowQueryRejectedError
from temporalio.common import QueryRejectCondition, WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from perdure.client.attendance import workers_of
from perdure.client.host import Host
from perdure.contracts.watching import TAKE, WATCH, TakeAnswer, TakeRequest, watch_id, watch_queue
from perdure.event_transport import Delta
from perdure.limits import WATCH_OPEN_SECONDS

_log = logging.getLogger("perdure")

_FIRST_SECONDS = 1.0  # a run does not wait longer for those who are to tell of it
_BUSY_SECONDS = 60.0  # after something has happened; a model may think for a while before it speaks
_ASK_SECONDS = 0.2
_ASK_QUIET_SECONDS = 4.0  # well below WATCHED_SECONDS
_LOOK_SECONDS = 1.0  # between two looks who serves the queue
_CATCH_UP_SECONDS = 2.0  # items do not wait longer for the words that led to them
_ANSWER_SECONDS = 3.0
_GRACE_SECONDS = 60.0  # beyond its own time, for a process that has died: then the server ends its `Watch`

_FAILURES = 2  # in a row: a busy worker may miss one
# Of workers, by identity: the server takes one that has died for alive for five minutes, and no run waits for it.
_failures: Counter[str] = Counter()


class _Station:
    """One process that serves the queue, as it is asked."""

    def __init__(self, host: Host, run_id: str, identity: str) -> None:
        self._host, self._run_id, self._identity = host, run_id, identity
        self.one_at_a_time = asyncio.Lock()
        self.stream, self.number = "", 0

    @property
    def has_failed(self) -> bool:
        """Whether it did not answer when it was last asked, for whatever run."""
        return _failures[self._identity] >= _FAILURES

    async def ask(self, *, is_peek: bool = False) -> TakeAnswer | None:
        """What was said since; a peek only tells that the run is watched. `None`: there is no answer."""
        try:
            answer = await self._ask((await self._host.connection()).client)
        except Exception as error:  # noqa: BLE001  whatever it is, the run is told all the same
            _failures[self._identity] += 1
            if _failures[self._identity] == _FAILURES:
                said = "run %s: worker %s does not tell what its models say: %s"
                _log.warning(said, self._run_id, self._identity, error)
            return None
        del _failures[self._identity]
        if is_peek or not answer.stream or (answer.stream == self.stream and not answer.events):
            return None
        self.stream, self.number = answer.stream, answer.number - 1 + len(answer.events)
        return answer

    async def _ask(self, client: Client) -> TakeAnswer:
        handle = client.get_workflow_handle(watch_id(self._identity))
        request = TakeRequest(run_id=self._run_id, stream=self.stream, number=self.number)
        for is_open in (False, True):
            try:
                return await handle.query(
                    TAKE,
                    request,
                    result_type=TakeAnswer,
                    reject_condition=QueryRejectCondition.NOT_OPEN,
                    rpc_timeout=timedelta(seconds=_ANSWER_SECONDS),
                )
            except WorkflowQueryRejectedError:
                if is_open:
                    raise
            except RPCError as error:
                if is_open or error.status is not RPCStatusCode.NOT_FOUND:
                    raise
            await self._open(client)
        raise AssertionError("the second time it answers or raises")

    async def _open(self, client: Client) -> None:
        await client.start_workflow(
            WATCH,
            id=watch_id(self._identity),
            task_queue=watch_queue(self._identity),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            execution_timeout=timedelta(seconds=WATCH_OPEN_SECONDS + _GRACE_SECONDS),
            static_summary=f"what models say at {self._identity}",
        )


class Relay:
    """Takes what models say of one run, from all processes that serve its queue; used on the host's background loop."""

    def __init__(self, host: Host, run_id: str, queue: str, take: Callable[[Delta], None]) -> None:
        self._host, self._run_id, self._queue, self._take = host, run_id, queue, take
        self._is_of_run: Callable[[str], Awaitable[bool]] | None = None
        self._execution = ""  # known to be the run's
        self._stations: dict[str, _Station] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._busy_until = 0.0
        self._hurried = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Tells all who serve the queue by now that the run is watched, and goes on to do so."""
        try:
            async with asyncio.timeout(_FIRST_SECONDS):
                stations = [self._stations[name] for name in await self._new_stations()]
                await asyncio.gather(*(each.ask(is_peek=True) for each in stations if not each.has_failed))
        except (TimeoutError, RPCError) as error:  # they are told soon
            said = "run %s: not all who serve %s know yet that it is watched (%s)"
            _log.info(said, self._run_id, self._queue, type(error).__name__)
        self._looking = asyncio.create_task(self._look())

    def follow(self, is_of_run: Callable[[str], Awaitable[bool]]) -> None:
        """Hands on what is said; see `Deltas.follow`."""
        self._is_of_run = is_of_run
        self.hurry()

    def hurry(self) -> None:
        """Asks often for a while."""
        self._busy_until = asyncio.get_running_loop().time() + _BUSY_SECONDS
        self._hurried.set()

    async def catch_up(self) -> None:
        """Asks those who answer once more, now."""
        telling = [asyncio.create_task(self._ask(each)) for each in self._stations.values() if not each.has_failed]
        if telling:
            await asyncio.wait(telling, timeout=_CATCH_UP_SECONDS)

    def stop(self) -> None:
        """Asks no more."""
        for task in (self._looking, *self._tasks.values()):
            if task is not None:
                task.cancel()

    async def _look(self) -> None:
        """Finds who serves the queue, again and again."""
        while True:
            for name in self._stations.keys() - self._tasks.keys():
                self._tasks[name] = asyncio.create_task(self._attend(self._stations[name]))
            await self._pause(_LOOK_SECONDS)
            try:
                await self._new_stations()
            except Exception as error:  # noqa: BLE001  whatever it is, they are looked for again
                _log.debug("run %s: who serves %s is not known: %s", self._run_id, self._queue, error)

    async def _new_stations(self) -> list[str]:
        client = (await self._host.connection()).client
        serving = set(await workers_of(client, self._queue, "activity")) - {client.identity}
        for name in self._stations.keys() - serving:
            del self._stations[name]
            if (task := self._tasks.pop(name, None)) is not None:
                task.cancel()
        new = [name for name in serving if name not in self._stations]
        self._stations |= {name: _Station(self._host, self._run_id, name) for name in new}
        return new

    async def _attend(self, station: _Station) -> None:
        while True:
            await self._ask(station)
            await self._pause(_ASK_QUIET_SECONDS if station.has_failed else _ASK_SECONDS)

    async def _pause(self, seconds: float) -> None:
        """Waits as long while something happens, and else until it does, or it is time to say that somebody watches."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._busy_until:
            await asyncio.sleep(seconds)
            return
        self._hurried.clear()
        try:
            async with asyncio.timeout(max(seconds, _ASK_QUIET_SECONDS)):
                await self._hurried.wait()
        except TimeoutError:
            pass

    async def _ask(self, station: _Station) -> None:
        async with station.one_at_a_time:
            answer = await station.ask(is_peek=self._is_of_run is None)
            if answer is None:
                return
            try:
                if await self._is_the_runs(answer.execution):
                    self._hand(answer)
            except Exception as error:  # noqa: BLE001  whatever it is, the run is told all the same
                _log.debug("run %s: what its models say is asked for again: %s", self._run_id, error)
                station.stream, station.number = "", 0

    def _hand(self, answer: TakeAnswer) -> None:
        fixed = {"stream": answer.stream, "execution": answer.execution}
        events = [json.loads(event) for event in answer.events]
        if answer.number == 1:
            self._take(Delta("", answer.turn, answer.attempt, None, answer.call, 0, **fixed))
        for number, event in enumerate(events, answer.number):
            self._take(Delta("", answer.turn, answer.attempt, event, answer.call, number, **fixed))

    async def _is_the_runs(self, execution: str) -> bool:
        if execution != self._execution and self._is_of_run is not None and await self._is_of_run(execution):
            self._execution = execution
        return execution == self._execution
