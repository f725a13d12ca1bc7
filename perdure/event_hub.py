"""Carries the events of a model's answer to who watches the run, near and far."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from perdure.event_transport import Delta, transport_in_use
from perdure.outbox import Outbox

_log = logging.getLogger("perdure")


class EventHub:
    """What models of this process say: in memory for who watches in it, in the outbox for who watches elsewhere.

    Usable from any thread.
    """

    def __init__(self) -> None:
        self.outbox = Outbox()
        self._lock = threading.Lock()
        self._watchers: dict[str, tuple[Callable[[Delta], None], ...]] = {}

    def watch(self, run_id: str, take: Callable[[Delta], None]) -> Callable[[], None]:
        """Hands each delta of a run to `take`, on the thread that published it.

        Returns:
            What ends that.
        """
        with self._lock:
            self._watchers[run_id] = (*self._watchers.get(run_id, ()), take)

        def leave() -> None:
            with self._lock:
                left = tuple(each for each in self._watchers.pop(run_id, ()) if each is not take)
                if left:
                    self._watchers[run_id] = left

        return leave

    def is_watched_here(self, run_id: str) -> bool:
        """Whether somebody in this process watches the run."""
        return run_id in self._watchers

    def is_watched_elsewhere(self, run_id: str) -> bool:
        """Whether somebody in another one does; a transport that cannot say is no reason to fail."""
        try:
            return (transport_in_use() or self.outbox).is_watched(run_id)
        except Exception as error:  # noqa: BLE001  whatever it is, the run goes on
            _log.warning("run %s: nobody can say whether it is watched elsewhere: %s", run_id, error)
            return False

    def publish(self, run_id: str, delta: Delta) -> None:
        """Hands a delta to all who watch the run; never raises."""
        for take in self._watchers.get(run_id, ()):
            take(delta)
        try:
            (transport_in_use() or self.outbox).publish(run_id, delta)
        except Exception as error:  # noqa: BLE001  whatever it is, the run goes on
            _log.warning("run %s: what its model says does not reach other processes: %s", run_id, error)
