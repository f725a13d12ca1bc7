"""A storm: runs under way while workers are killed and frozen, and the server is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.client import Client, WorkflowFailureError

from perdure.connection import connect
from perdure.contracts.run import RunOutcome
from perdure.server import ensure_server, server_status
from tests.chaos.ledger import Ledger
from tests.chaos.people import People, insist, started
from tests.chaos.plans import Plan, plan_of
from tests.chaos.processes import Workers, start_provider
from tests.chaos.talks import Talk

WORKERS = 3
_AIMED = 2 / 3  # of the kills
_RECOVERED_WITHIN_SECONDS = 8.0
FREEZE_SECONDS = 6.0  # longer than the heartbeat timeout, so that what was frozen is given to others


@dataclass(frozen=True)
class Weather:
    """What a storm does.

    Attributes:
        starting_seconds: Over how long the runs are started.
        freezes: When a worker is frozen, in seconds from the start; `server_kills` likewise.
        calm_after: When killing stops, if runs are still under way then.
        patience: When runs that are still under way are stuck.
        threads: How many conversations there are beside the runs.
    """

    seed: int
    runs: int
    starting_seconds: float
    freezes: list[float]
    server_kills: list[float]
    calm_after: float
    patience: float
    threads: int = 0


@dataclass
class Ended:
    """How a run ended: with an outcome, with a failure, or (neither) not at all."""

    plan: Plan
    run_id: str
    outcome: RunOutcome | None = None
    failure: str | None = None


@dataclass
class Damage:
    """What a storm did."""

    kills: int = 0
    freezes: int = 0
    server_kills: int = 0
    signals: int = 0
    outcomes_told: int = 0
    failed_queries: int = 0
    workers_ended_by_themselves: int = 0
    seconds: float = 0.0


@dataclass
class Storm:
    """A storm in a folder of its own; `timeline` there says what happened when."""

    weather: Weather
    folder: Path
    damage: Damage = field(default_factory=Damage)

    def __post_init__(self) -> None:
        self.queue = f"storm-{self.weather.seed}"
        self.ledger = Ledger(self.folder / "ledger.sqlite")
        self.killed: list[tuple[int, float]] = []
        self.outages: list[tuple[float, float]] = []  # of the server, or of a frozen worker: from when to when
        self.talks = [Talk.of(self.weather.seed, number, self.queue) for number in range(self.weather.threads)]
        self._began = time.monotonic()

    @contextlib.asynccontextmanager
    async def raging(self) -> AsyncGenerator[tuple[Client, list[Ended]]]:
        """Lets runs go through the storm; afterwards all is calm, and the workers still answer."""
        self.ledger.create()
        client = (await connect()).client
        provider, url = start_provider(self.folder)
        workers = Workers(self.folder, self.queue, url, self.note)
        try:
            for place in range(WORKERS):
                workers.start(place)
            await asyncio.to_thread(workers.wait_until_one_is_ready)
            self._began = time.monotonic()
            ended = await self._all_through(client, workers)
            workers.replace_those_that_ended()
            self.damage.workers_ended_by_themselves = workers.ended_by_themselves
            yield client, ended
        finally:
            workers.close()
            provider.kill()
            provider.communicate()

    async def _all_through(self, client: Client, workers: Workers) -> list[Ended]:
        monkey = asyncio.create_task(self._rage(workers))
        try:
            async with asyncio.TaskGroup() as group:
                runs = [group.create_task(self._through(client, number)) for number in range(self.weather.runs)]
                for talk in self.talks:
                    group.create_task(self._talk_through(client, talk))
            self.damage.seconds = self._clock
        finally:
            monkey.cancel()
            await asyncio.wait([monkey])
        if not monkey.cancelled():
            monkey.result()  # raises what the monkey met with
        return [run.result() for run in runs]

    def note(self, text: str) -> None:
        with (self.folder / "timeline").open("a") as file:
            file.write(f"{self._clock:7.2f} {text}\n")

    @property
    def _clock(self) -> float:
        return time.monotonic() - self._began

    async def _through(self, client: Client, number: int) -> Ended:
        """One run from its start to its end."""
        plan = plan_of(self.weather.seed, number)
        ended = Ended(plan, f"{self.queue}-run-{number}")
        await asyncio.sleep(self.weather.starting_seconds * number / self.weather.runs)
        handle = await started(client, plan, ended.run_id, self.queue)
        try:
            async with self._attended(People(handle, plan, self.ledger)):
                ended.outcome = await insist(handle.result)
        except WorkflowFailureError as error:
            ended.failure = repr(error.cause)
        except TimeoutError:
            self.note(f"run {number} is stuck")
        self.note(f"run {number} ended")
        return ended

    async def _talk_through(self, client: Client, talk: Talk) -> None:
        """One thread from its first message to its end."""
        first = await talk.begin()
        handle = client.get_workflow_handle(talk.run_id, result_type=RunOutcome)
        try:
            async with self._attended(People(handle, talk.plan, self.ledger)):
                await talk.go_on(first)
        except TimeoutError:
            self.note(f"{talk.run_id} is stuck")
        else:
            await talk.close()
        self.note(f"{talk.run_id} ended")

    @contextlib.asynccontextmanager
    async def _attended(self, people: People) -> AsyncGenerator[None]:
        """People decide meanwhile; raises `TimeoutError` where it takes longer than there is patience."""
        attending = asyncio.create_task(people.attend())
        try:
            async with asyncio.timeout(self.weather.patience - self._clock):
                yield
        finally:
            attending.cancel()
            await asyncio.wait([attending])
            self.damage.signals += people.signals
            self.damage.outcomes_told += people.outcomes_told
            self.damage.failed_queries += people.failed_queries
        if not attending.cancelled():
            attending.result()  # raises what those people met with

    async def _rage(self, workers: Workers) -> None:
        chance = random.Random(f"{self.weather.seed}/monkey")
        freezes, server_kills = list(self.weather.freezes), list(self.weather.server_kills)
        freezing: list[asyncio.Task[None]] = []
        try:
            while self._clock < self.weather.calm_after:
                await asyncio.sleep(chance.uniform(1.5, 3.0))
                workers.replace_those_that_ended()
                if server_kills and server_kills[0] <= self._clock:
                    server_kills.pop(0)
                    await asyncio.to_thread(self._kill_server)
                if freezes and freezes[0] <= self._clock:
                    freezes.pop(0)
                    freezing.append(asyncio.create_task(self._freeze(workers, await self._victim(workers, chance))))
                    await asyncio.sleep(0)  # it is frozen, so that it is not killed now
                place = await self._victim(workers, chance)
                self.damage.kills += 1
                self.note(f"kills worker {place}")
                self.killed.append((workers.pid_of(place), time.time()))
                workers.kill(place)
                workers.start(place)
            await asyncio.gather(*freezing)
        finally:
            for task in freezing:
                task.cancel()  # which thaws
            if freezing:
                await asyncio.wait(freezing)

    def killed_alone(self) -> list[tuple[int, float]]:
        """The workers that were killed while nothing else was out, nor came to be before their calls had recovered."""
        return [
            (pid, at)
            for pid, at in self.killed
            if not any(began - _RECOVERED_WITHIN_SECONDS < at < ended for began, ended in self.outages)
        ]

    async def _victim(self, workers: Workers, chance: random.Random) -> int:
        """Any worker, or in two of three cases one that has just begun a call, if one does so within a second."""
        anyone = chance.choice(workers.awake)
        aimed, wait = chance.random() < _AIMED, chance.uniform(0.0, 0.4)
        if not aimed:
            return anyone
        last, _ = await asyncio.to_thread(self.ledger.last_attempt)
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            number, pid = await asyncio.to_thread(self.ledger.last_attempt)
            if number > last:
                await asyncio.sleep(wait)  # to be before its effect, or after it
                place = workers.place_of(pid)
                return anyone if place is None else place
            await asyncio.sleep(0.02)
        return anyone

    async def _freeze(self, workers: Workers, place: int) -> None:
        self.damage.freezes += 1
        self.note(f"freezes worker {place}")
        workers.freeze(place)
        began = time.time()
        try:
            await asyncio.sleep(FREEZE_SECONDS)
        finally:
            workers.thaw(place)
            self.outages.append((began, time.time()))
            self.note(f"thaws worker {place}")

    def _kill_server(self) -> None:
        server = server_status()
        assert server is not None, "the server ended by itself"
        self.damage.server_kills += 1
        self.note("kills the server")
        began = time.time()
        os.kill(server.pid, signal.SIGKILL)
        ensure_server()
        self.outages.append((began, time.time()))
        self.note("the server is back")
