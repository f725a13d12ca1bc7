"""Holds back what is told of a workflow until the server has the task in which it happened.

A task that the server refuses is done again, and what happened in it happens again, or differently: told at once, it
would be told twice.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence

_KEPT_SECONDS = 5.0  # after so long the server has taken or refused a task
_LOOK_SECONDS = 1.0


class Held:
    """What this process holds back, by who told it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, tuple[float, list[Callable[[], None]]]] = {}
        self._watched_by = 0  # the process whose thread looks for what was held long enough

    def hold(self, key: int, tell: Sequence[Callable[[], None]]) -> None:
        """Keeps what is to be told until the task is known to count."""
        if not tell:
            return
        with self._lock:
            earlier = self._held.get(key, (0.0, []))[1]
            self._held[key] = time.monotonic(), [*earlier, *tell]
            if self._watched_by != os.getpid():
                self._watched_by = os.getpid()
                threading.Thread(target=self._watch, name="perdure tells of runs", daemon=True).start()

    def release(self, key: int) -> None:
        """The task counts."""
        for tell in self._taken(key):
            tell()

    def forget(self, key: int) -> None:
        """The task is done again."""
        self._taken(key)

    def release_all(self) -> None:
        """Nothing is held any longer, as the process ends."""
        for key in list(self._held):
            self.release(key)

    def _taken(self, key: int) -> list[Callable[[], None]]:
        with self._lock:
            return self._held.pop(key, (0.0, []))[1]

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            before = time.monotonic() - _KEPT_SECONDS
            for key in [key for key, (since, _) in list(self._held.items()) if since < before]:
                self.release(key)


held = Held()
