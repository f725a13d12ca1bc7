"""Puts what models say of a run, and what its transcript has, into one order.

A model's events of a turn come before the items of that turn, these before the next turn's events. What the models say
comes beside the history and may be lost; what the transcript has is told once, whatever happens.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Protocol

from perdure.client.chronicle import Chronicle, Placed
from perdure.client.deltas import Deltas
from perdure.client.execution import Execution
from perdure.client.reading import Said
from perdure.openai_types import typed_stream_event
from perdure.stream_events import RawResponsesStreamEvent

_log = logging.getLogger("perdure")

_LAST_LOOK_SECONDS = 1.0
_ALL_CALLS = 2**63


class Reader(Protocol):
    """Takes what happens, in order."""

    def read(self, said: Said) -> None:
        """The transcript was read so far; what is new in it follows."""
        ...

    def tell(self, placed: Placed) -> None:
        """Something that the transcript has."""
        ...

    def say(self, turn: int, event: RawResponsesStreamEvent | None) -> None:
        """Something that a model says; `None`: an attempt begins."""
        ...


class Merging:
    """Follows one run; used on the host's background loop.

    Args:
        run: The run's workflow, for this alone.
        chronicle: What was told of the transcript.
        deltas: What its models say.
        reader: Takes both.
        seen: All that came before this turn was told.
    """

    def __init__(self, run: Execution, chronicle: Chronicle, deltas: Deltas, reader: Reader, seen: int) -> None:
        self._run = run
        self._chronicle = chronicle
        self._deltas = deltas
        self._reader = reader
        self._seen = seen
        self._is_due = False
        self._is_over = False
        self._call = (0, 0, 0)  # turn, call and attempt that the last delta was of, or the last item
        self._attempts = 0  # of the turn's calls before that one, as far as they were told of

    def skip(self, turn: int) -> None:
        """Nothing is handed on of what models say in turns up to this one."""
        self._call = (turn, _ALL_CALLS, 0)

    def notice(self) -> None:
        """Something happened in the run."""
        self._is_due = True
        self._deltas.hurry()
        self._deltas.came.set()

    async def during(self, work: Awaitable[object]) -> None:
        """Hands on what happens while the work is under way."""
        self._deltas.follow(self._is_newest)
        following = asyncio.create_task(self._follow())
        try:
            await work
        finally:
            self._is_over = True  # a look under way may end: the run would answer to nobody
            self._deltas.came.set()
            await self._deltas.catch_up()
            await asyncio.wait([following], timeout=_LAST_LOOK_SECONDS)
            following.cancel()

    async def _is_newest(self, execution: str) -> bool:
        return (await self._run.describe()).run_id == execution

    async def _follow(self) -> None:
        while not self._is_over:
            await self._deltas.came.wait()
            self._deltas.came.clear()
            begun = self._deltas.next_turn or 0
            # Whoever asks for a turn has all of the turns before it.
            if (self._is_due or begun > self._seen) and not self._is_over:
                self._is_due = False
                await self._look()
                self._seen = max(self._seen, begun)
            self.flush(self._seen)

    async def _look(self) -> None:
        try:
            said = await self._run.said()
            if said.responses and said.responses[-1].turn > self._chronicle.turn:
                await self._deltas.catch_up()  # with what led to the answer
        except Exception as error:  # noqa: BLE001  what this misses is told with what comes next, or at the end
            _log.warning("run %s could not be looked at: %s", self._run.caller.run_id, error)
        else:
            self.take(said)

    def take(self, said: Said) -> None:
        """Hands on what is new in the transcript."""
        self._reader.read(said)
        for placed in self._chronicle.take(said):
            self.flush(placed.place[0])
            self.tell(placed)

    def tell(self, placed: Placed) -> None:
        """Hands on an item or a change of agents; of what its model said, nothing comes any more."""
        self._call = max(self._call, (placed.place[0], _ALL_CALLS, 0))
        self._reader.tell(placed)

    def flush(self, turn: int) -> None:
        """Hands on what models said in turns up to this one; of an attempt that another one has followed, nothing."""
        while (following := self._deltas.next_turn) is not None and following <= turn:
            delta = self._deltas.pop()
            call = (delta.turn, delta.call, delta.attempt)
            if call < self._call:
                continue
            if call[:2] != self._call[:2]:  # a model that was stopped is asked again: an attempt more of its turn
                self._attempts = self._attempts + self._call[2] if delta.turn == self._call[0] else 0
            self._call = call
            event = None
            if delta.data is not None:
                data = typed_stream_event(delta.data)
                event = RawResponsesStreamEvent(data, turn=delta.turn, attempt=self._attempts + delta.attempt)
            self._reader.say(delta.turn, event)
