"""This process's way out for spans: made when the first is to leave, if the environment or a program asks for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perdure.telemetry import environment
from perdure.telemetry.held import held
from perdure.telemetry.links import Link

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

    from perdure.telemetry.exporting import Exporting

CLOSE_SECONDS = 2.0  # the end of a process waits no longer for a collector


@dataclass(frozen=True, slots=True)
class RunSpan:
    """A span that has ended in a workflow; its ids and times are the run's own, not the process's.

    Attributes:
        own: Its ids; `parent`: those of the span that it is part of.
        began_ns: When it began, in nanoseconds since the epoch.
        error: The type of the error that it ended in; empty if in none. `message` is content.
    """

    name: str
    own: Link
    parent: Link | None
    began_ns: int
    ended_ns: int
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: str = ""
    message: str = ""


class Pipeline:
    """Takes spans."""

    def __init__(self, exporting: Exporting) -> None:
        self.exporting = exporting
        self.pid = os.getpid()

    def emit(self, span: RunSpan) -> None:
        """Exports a span that has ended in a workflow."""
        self.exporting.emit(span)

    def close(self, within_seconds: float) -> None:
        """Exports what is left; what nobody takes in time is dropped."""
        self.exporting.close(within_seconds)


_lock = threading.Lock()
_added: list[SpanProcessor] = []
_current: Pipeline | None = None
_nothing_for: int | None = None  # the process that nothing is exported from


def pipeline() -> Pipeline | None:
    """This process's pipeline; `None` where nothing is to be exported."""
    global _current, _nothing_for  # noqa: PLW0603  one process has one
    pid = os.getpid()
    if _current is not None and _current.pid == pid:
        return _current
    if _nothing_for == pid:
        return None
    with _lock:
        if _current is None or _current.pid != pid:
            _current = _made()
            _nothing_for = pid if _current is None else None
        return _current


def _made() -> Pipeline | None:
    names = environment.exporters("TRACES")
    if environment.is_disabled() or not (names or _added):
        return None
    from perdure.telemetry.exporting import Exporting

    return Pipeline(Exporting(names, _added))


def add_span_processor(processor: SpanProcessor) -> None:
    """Hands every span of this process to a processor of your own, beside what the environment asks for.

    Its methods are called where spans start and end: they must be quick. What they raise is logged once.

    Args:
        processor: An OpenTelemetry `SpanProcessor`, as `SimpleSpanProcessor(exporter)`.
    """
    global _nothing_for  # noqa: PLW0603
    with _lock:
        _added.append(processor)
        _nothing_for = None
        if _current is not None and _current.pid == os.getpid():
            _current.exporting.add(processor)


def close(within_seconds: float = CLOSE_SECONDS) -> None:
    """Exports what is left, at the end of the process; the next span begins anew."""
    global _current, _nothing_for
    held.release_all()
    with _lock:
        known, _current, _nothing_for = _current, None, None
    if known is not None and known.pid == os.getpid():
        known.close(within_seconds)
