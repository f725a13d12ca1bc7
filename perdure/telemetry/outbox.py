"""Spans on their way to a collector, which may be down, slow or wrong: nobody waits for it, and memory is bounded."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from perdure.telemetry import metrics
from perdure.telemetry.environment import number

_log = logging.getLogger("perdure.telemetry")
_THREAD = "perdure exports spans"
_LOUD = (
    "opentelemetry.exporter.otlp.proto.common._internal",
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
)


class Outbox(SpanProcessor):
    """Hands spans to an exporter in a thread of its own; those for which there is no room or no taker are dropped.

    OpenTelemetry's own processor does not say how many it drops, and waits up to 30 s at the end.
    """

    def __init__(self, exporter: SpanExporter, where: str) -> None:
        self.dropped = 0
        self._exporter = exporter
        self._where = where
        self._queue: deque[ReadableSpan] = deque()
        self._most = max(int(number("OTEL_BSP_MAX_QUEUE_SIZE", 2048)), 1)
        self._batch = max(min(int(number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)), self._most), 1)
        self._pause_seconds = number("OTEL_BSP_SCHEDULE_DELAY", 1000) / 1000
        self._changed = threading.Condition()
        self._closing = self._exporting = self._hurried = False
        _be_quiet()
        self._thread = threading.Thread(target=self._run, name=_THREAD, daemon=True)
        self._thread.start()

    def on_end(self, span: ReadableSpan) -> None:
        """Takes a span that has ended."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        with self._changed:
            if self._closing or len(self._queue) >= self._most:
                self._drop(1, "there are more than can be exported")
                return
            self._queue.append(span)
            if len(self._queue) >= self._batch:
                self._changed.notify_all()

    def force_flush(self, timeout_millis: int = 2000) -> bool:
        """Waits until what has ended is exported; False if that took too long."""
        until = time.monotonic() + timeout_millis / 1000
        with self._changed:
            self._hurried = True
            self._changed.notify_all()
            while self._queue or self._exporting:
                if not self._changed.wait(max(until - time.monotonic(), 0)) and time.monotonic() >= until:
                    return False
        return True

    def shutdown(self) -> None:
        """Exports what is left, within two seconds."""
        self.close(2.0)

    def close(self, within_seconds: float) -> None:
        """Exports what is left; what is not taken in time is dropped."""
        until = time.monotonic() + within_seconds
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(max(until - time.monotonic(), 0))
        with self._changed:
            if self._thread.is_alive() or self._queue:
                self._drop(len(self._queue), f"nobody took them within {within_seconds:g} s")
                self._queue.clear()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._closing and not self._hurried and len(self._queue) < self._batch:
                    self._changed.wait(self._pause_seconds)
                batch = [self._queue.popleft() for _ in range(min(self._batch, len(self._queue)))]
                self._exporting = bool(batch)
                if not batch:
                    self._hurried = False
                    self._changed.notify_all()
                    if self._closing:
                        break
            if batch:
                self._export(batch)
        self._exporter.shutdown()

    def _export(self, batch: list[ReadableSpan]) -> None:
        try:
            taken = self._exporter.export(batch) is SpanExportResult.SUCCESS
            why = "the collector did not take them"
        except Exception as error:  # noqa: BLE001  whatever an exporter makes of an answer
            taken, why = False, f"the export failed with {type(error).__name__}"
        with self._changed:
            self._exporting = False
            if not taken:
                self._drop(len(batch), why)
            self._changed.notify_all()

    def _drop(self, count: int, why: str) -> None:
        if count and not self.dropped:
            text = "spans to %s are dropped (%d now): %s. Runs go on; this is said once."
            _log.warning(text, self._where, count, why)
        self.dropped += count
        metrics.spans_dropped(count)


class _NotOurThread(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.threadName != _THREAD


_quiet = _NotOurThread()


def _be_quiet() -> None:
    """What exporters log at each failure in our thread is said once, by us; those of other pipelines go on."""
    for name in _LOUD:
        logging.getLogger(name).addFilter(_quiet)
