"""What models of this process say, kept for a moment for watchers in other processes, who come and take it."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from perdure.event_transport import Delta
from perdure.limits import MAX_KEPT_DELTAS, MAX_TAKEN_BYTES, WATCHED_SECONDS


@dataclass(slots=True)
class _Stream:
    """One attempt of a model call, from its beginning.

    Attributes:
        written: The deltas as JSON, as far as somebody has asked for them.
        is_whole: Whether nothing was left out so far; what comes after a gap is of no use to anybody.
    """

    begin: Delta
    touched: float
    said: list[Any] = field(default_factory=list[Any])
    written: list[str] = field(default_factory=list[str])
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Taken:
    """A part of what a model has said in one attempt.

    Attributes:
        begin: Names the attempt.
        number: The place of the first event in it.
        events: As JSON, in order.
    """

    begin: Delta
    number: int
    events: list[str]


class Outbox:
    """The last answer of each watched run, while it is said and a little longer; usable from any thread.

    Who asks for a run counts as its watcher for `WATCHED_SECONDS`, so a watcher that dies leaves nothing behind.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}
        self._streams: dict[str, _Stream] = {}

    def is_watched(self, run_id: str) -> bool:
        """Whether somebody has asked for the run lately."""
        return self._until.get(run_id, 0.0) > time.monotonic()

    def publish(self, run_id: str, delta: Delta) -> None:
        """Keeps a delta; an attempt that begins takes the place of the one before."""
        with self._lock:
            if delta.number == 0:
                self._sweep()
                self._streams[run_id] = _Stream(delta, time.monotonic())
                return
            stream = self._streams.get(run_id)
            if stream is None or stream.begin.stream != delta.stream:
                return
            stream.touched = time.monotonic()
            stream.is_whole = stream.is_whole and delta.number == len(stream.said) + 1 <= MAX_KEPT_DELTAS
            if stream.is_whole:
                stream.said.append(delta.data)

    def take(self, run_id: str, stream: str, number: int) -> Taken | None:
        """What was said since a place in an attempt; from its beginning, where it is another one by now.

        Args:
            run_id: The run; it counts as watched from now on.
            stream: The attempt of which the watcher knows.
            number: How many of its events it has.
        """
        with self._lock:
            if run_id not in self._until:
                self._sweep()
            self._until[run_id] = time.monotonic() + WATCHED_SECONDS
            found = self._streams.get(run_id)
            if found is None:
                return None
            found.touched = time.monotonic()
            _write(found)
            first = number if found.begin.stream == stream else 0
            return Taken(found.begin, first + 1, _page(found.written[first:]))

    def _sweep(self) -> None:
        now = time.monotonic()
        for run_id in [run_id for run_id, until in self._until.items() if until < now]:
            del self._until[run_id]
        for run_id in [each for each, stream in self._streams.items() if stream.touched + WATCHED_SECONDS < now]:
            if run_id not in self._until:
                del self._streams[run_id]


def _write(stream: _Stream) -> None:
    """Writes what nobody has asked for yet; an object that is no JSON is the last that is kept."""
    for event in stream.said[len(stream.written) :]:
        try:
            fields = event.model_dump(mode="json", exclude_unset=True) if hasattr(event, "model_dump") else event
            text = json.dumps(fields)
        except (TypeError, ValueError):
            text = ""
        if not text or len(text) > MAX_TAKEN_BYTES:
            del stream.said[len(stream.written) :]
            stream.is_whole = False
            return
        stream.written.append(text)


def _page(events: list[str]) -> list[str]:
    """As many as one answer can carry, but one at least."""
    size = 0
    for count, event in enumerate(events):
        size += len(event)
        if count and size > MAX_TAKEN_BYTES:
            return events[:count]
    return events
