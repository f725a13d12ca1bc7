"""What models say of the runs that one caller watches, from this process and from others."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from perdure.client.host import Host
from perdure.client.relaying import Relay
from perdure.event_transport import Delta, transport_in_use

_log = logging.getLogger("perdure")


class Deltas:
    """They wait here in order, whatever way they come; added to from any thread."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._added: deque[Delta] = deque()
        self._waiting: deque[Delta] = deque()
        self._leaves: list[Callable[[], None]] = []
        self._partings: list[Callable[[], Awaitable[None]]] = []
        self._relays: dict[str, Relay] = {}
        self._last: Delta | None = None  # that was taken for one that follows
        self.came = asyncio.Event()

    def watch(self, run_id: str) -> None:
        """Has the models of a run that this process serves stream their answers from now on."""
        self._leaves.append(self._host.events.watch(run_id, self._add))

    async def reach(self, run_id: str, queue: str) -> None:
        """Has those that other processes serve stream theirs; what cannot be reached is told by the transcript alone.

        Args:
            run_id: The run, which may not have started yet.
            queue: Where it is served.
        """
        if queue in self._relays or self._host.owns(queue):
            return
        try:
            transport = transport_in_use()
            if transport is not None:
                self._partings.append(await transport.watch(run_id, queue, self._add))
                return
            relay = self._relays[queue] = Relay(self._host, run_id, queue, self._add)
            await relay.start()
        except Exception as error:  # noqa: BLE001  whatever it is, the run is told all the same
            _log.warning("run %s: what its models say cannot be watched: %s", run_id, error)

    def follow(self, is_of_run: Callable[[str], Awaitable[bool]]) -> None:
        """Takes what is said from now on.

        Args:
            is_of_run: Tells of an execution whether it is the run's newest; an earlier run may have had the same id.
        """
        for relay in self._relays.values():
            relay.follow(is_of_run)

    def hurry(self) -> None:
        """Something happened in the run: its model may be asked soon."""
        for relay in self._relays.values():
            relay.hurry()

    async def catch_up(self) -> None:
        """Fetches what was said so far, before what came of it is told."""
        if self._relays:
            await asyncio.gather(*(relay.catch_up() for relay in self._relays.values()))

    def leave(self) -> None:
        """Watches no run any more."""
        while self._leaves:
            self._leaves.pop()()
        if self._relays or self._partings:
            self._host.background.soon(self._part)

    def _part(self) -> None:
        for relay in self._relays.values():
            relay.stop()
        while self._partings:
            task = asyncio.ensure_future(self._partings.pop()())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _add(self, delta: Delta) -> None:
        if not delta.path:
            self._added.append(delta)
            self._host.background.soon(self.came.set)

    def _sort(self) -> None:
        """Moves what follows on what is known to those that wait: an attempt from its beginning, nothing twice."""
        while self._added:
            delta, last = self._added.popleft(), self._last
            if delta.number == 0:
                follows = last is None or (delta.stream != last.stream and _call(delta) >= _call(last))
            else:
                follows = last is not None and (delta.stream, delta.number) == (last.stream, last.number + 1)
            if follows:
                self._last = delta
                self._waiting.append(delta)

    @property
    def next_turn(self) -> int | None:
        """The turn that the next one is of."""
        self._sort()
        return self._waiting[0].turn if self._waiting else None

    def pop(self) -> Delta:
        """The next one."""
        return self._waiting.popleft()


def _call(delta: Delta) -> tuple[int, int, int]:
    return delta.turn, delta.call, delta.attempt
