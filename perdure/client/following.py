"""Follows a run from anywhere, at any time: its events by its transcript, which the server keeps.

What its models say meanwhile can be told in between, as far as it reaches this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from perdure.client.chronicle import BEGINNING, Chronicle, Place, Placed, place_of
from perdure.client.deltas import Deltas
from perdure.client.execution import Execution
from perdure.client.merging import Merging
from perdure.client.reading import Said
from perdure.client.watching import waits
from perdure.errors import UserError
from perdure.stream_events import AgentUpdatedStreamEvent, RawResponsesStreamEvent, RunEvent


async def follow(run: Execution, after: str | None, *, is_closed: bool, raw: bool = False) -> AsyncGenerator[RunEvent]:
    """The events of a run after one of them, those that come included; ends with the run.

    Args:
        run: The run's workflow, for this alone.
        after: The offset of an event; `None` for all.
        is_closed: Whether the run has ended.
        raw: Whether what its models say is told, too.

    Raises:
        UserError: There is no event with this offset.
        RunUnattended: Nobody serves the run, and this process cannot answer for it.
    """
    since = None if after is None else place_of(after)
    deltas = Deltas(run.host)
    try:
        if raw and not is_closed:
            deltas.watch(run.caller.run_id)
            await deltas.reach(run.caller.run_id, run.queue)
        chronicle = Chronicle(run.caller.cast, run.caller.agent.name)
        known = chronicle.take(await run.said())
        if since is not None:
            _check(run.caller.run_id, since, known)
        for event in _later(known, since):
            yield event
        if not is_closed:
            async for event in _Both(run, chronicle, deltas, since, known[-1].offset).events():
                yield event
    finally:
        deltas.leave()


class _Both:
    """Puts the rest of a run's events, and what its models say, into one queue."""

    def __init__(self, run: Execution, chronicle: Chronicle, deltas: Deltas, since: Place | None, last: str) -> None:
        self._run = run
        self._since = since
        self._last = last  # the offset of the last event
        self._told: asyncio.Queue[RunEvent | None] = asyncio.Queue()
        self._merging = Merging(run.apart(), chronicle, deltas, self, chronicle.turn)

    async def events(self) -> AsyncGenerator[RunEvent]:
        """The events, until the run ends."""
        working = asyncio.create_task(self._work())
        working.add_done_callback(lambda _: self._told.put_nowait(None))
        try:
            while (event := await self._told.get()) is not None:
                yield event
            await working  # raises what it ended in
        finally:
            working.cancel()

    async def _work(self) -> None:
        await self._merging.during(self._wait())
        self._merging.take(await self._run.said())

    async def _wait(self) -> None:
        async for _ in waits(self._run.host, self._run.caller.run_id, self._run.workflow_run_id):
            self._merging.notice()

    def read(self, said: Said) -> None:
        """See `perdure.client.merging.Reader`."""

    def tell(self, placed: Placed) -> None:
        """Hands on an event of the transcript, if it was asked for."""
        self._last = placed.offset
        if self._since is None or placed.place > self._since:
            self._told.put_nowait(RunEvent(placed.offset, placed.event))

    def say(self, turn: int, event: RawResponsesStreamEvent | None) -> None:
        """Hands on an event of a model, unless who asks knows of its turn already."""
        if event is not None and (self._since is None or turn > self._since[0]):
            self._told.put_nowait(RunEvent(self._last, event))


def _later(events: list[Placed], since: Place | None) -> list[RunEvent]:
    return [RunEvent(each.offset, each.event) for each in events if since is None or each.place > since]


def _check(run_id: str, since: Place, known: list[Placed]) -> None:
    """Refuses an offset that never was; one whose event a handoff's filter took out since is taken."""
    places = [each.place for each in known]
    last = max(places, default=BEGINNING)
    taken_over = [each.place for each in known if isinstance(each.event, AgentUpdatedStreamEvent)]
    if since not in places and not any(since[0] == turn and since[1] < number for turn, number in taken_over):
        raise UserError(
            f"No event of run {run_id!r} has the offset '{since[0]}.{since[1]}'; the last one so far has "
            f"'{last[0]}.{last[1]}'. Give the `offset` of an event of this run, or None for all."
        )
