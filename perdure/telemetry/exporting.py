"""OpenTelemetry's part of the pipeline: the provider, its processors, and spans whose ids are known beforehand."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry import context, trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from perdure.telemetry import environment
from perdure.telemetry.attributes import plain, plain_attributes
from perdure.telemetry.links import Link
from perdure.telemetry.outbox import Outbox
from perdure.telemetry.pipeline import RunSpan

_log = logging.getLogger("perdure.telemetry")


class Exporting:
    """A tracer provider of our own: a program's, and what it exports, stay as they are."""

    def __init__(self, names: Iterable[str], processors: Iterable[SpanProcessor]) -> None:
        self._ids = _ChosenIds()
        self._provider = TracerProvider(resource=_resource(), id_generator=self._ids, shutdown_on_exit=False)
        self._outboxes = [outbox for name in names if (outbox := _outbox(name)) is not None]
        self._processors = list[SpanProcessor]()
        for outbox in self._outboxes:
            self._provider.add_span_processor(outbox)
        for processor in processors:
            self.add(processor)
        self.tracer = self._provider.get_tracer("perdure")

    def add(self, processor: SpanProcessor) -> None:
        """Adds a processor of the program's."""
        self._processors.append(processor)
        self._provider.add_span_processor(_Guarded(processor))

    def is_sampled(self, trace_id: int, name: str) -> bool:
        """Whether a trace that begins with this span is recorded."""
        return self._provider.sampler.should_sample(None, trace_id, name).decision.is_sampled()

    def emit(self, span: RunSpan) -> None:
        """Exports a span that has ended."""
        above = context.Context() if span.parent is None else context_of(span.parent)
        with self._ids.chosen(span.own):
            made = self.tracer.start_span(
                plain(span.name), above, attributes=plain_attributes(span.attributes), start_time=span.began_ns
            )
        if span.error:
            made.set_attribute("error.type", plain(span.error))
            made.set_status(Status(StatusCode.ERROR, plain(span.message) or None))
        made.end(span.ended_ns)

    def close(self, within_seconds: float) -> None:
        """Exports what is left; what nobody takes in time is dropped."""
        until = time.monotonic() + within_seconds
        enders: list[Callable[[], Any]] = [each.shutdown for each in self._processors]
        enders += [lambda each=each: each.close(within_seconds) for each in self._outboxes]
        threads = [threading.Thread(target=_ended, args=(ender,), daemon=True) for ender in enders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0))


def context_of(link: Link) -> context.Context:
    """The context in which a span of another process or a workflow is the current one."""
    flags = TraceFlags(TraceFlags.SAMPLED if link.sampled else TraceFlags.DEFAULT)
    above = SpanContext(link.trace_id, link.span_id, is_remote=True, trace_flags=flags)
    return trace.set_span_in_context(NonRecordingSpan(above), context.Context())


def _ended(ender: Callable[[], Any]) -> None:
    with contextlib.suppress(Exception):
        ender()


def _resource() -> Resource:
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create({} if named else {SERVICE_NAME: "perdure"})


def _outbox(name: str) -> Outbox | None:
    """Where the spans of an exporter go; one that cannot be made is said, and costs nothing else."""
    where = (environment.endpoint("TRACES") or "the default endpoint") if name == "otlp" else name
    try:
        exporter = _exporter(name)
    except Exception as error:  # noqa: BLE001  an address or a certificate of the environment may be anything
        _log.warning("no spans are exported to %s: %s: %s", where, type(error).__name__, error)
        return None
    if exporter is None:
        text = "OTEL_TRACES_EXPORTER names %r, which Perdure does not have: it exports to otlp and console."
        _log.warning(text, name)
        return None
    return Outbox(exporter, where)


def _exporter(name: str) -> SpanExporter | None:
    if name == "console":
        return ConsoleSpanExporter()
    if name != "otlp":
        return None
    seconds: Any = environment.timeout_seconds("TRACES")
    if environment.protocol("TRACES") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

        return Grpc(timeout=seconds)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

    return Http(timeout=seconds)


class _ChosenIds(RandomIdGenerator):
    """Ids by chance, but for a span whose ids are known."""

    def __init__(self) -> None:
        self._of_thread = threading.local()

    @contextlib.contextmanager
    def chosen(self, link: Link) -> Any:
        self._of_thread.link = link
        try:
            yield
        finally:
            self._of_thread.link = None

    def generate_span_id(self) -> int:
        link: Link | None = getattr(self._of_thread, "link", None)
        return super().generate_span_id() if link is None else link.span_id

    def generate_trace_id(self) -> int:
        link: Link | None = getattr(self._of_thread, "link", None)
        return super().generate_trace_id() if link is None else link.trace_id


class _Guarded(SpanProcessor):
    """A processor of the program's, whose errors harm nobody."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._processor = processor
        self._has_failed = False

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
        self._try(lambda: self._processor.on_start(span, parent_context))

    def on_end(self, span: ReadableSpan) -> None:
        self._try(lambda: self._processor.on_end(span))

    def shutdown(self) -> None:
        self._try(self._processor.shutdown)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        self._try(lambda: self._processor.force_flush(timeout_millis))
        return True

    def _try(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except Exception:  # noqa: BLE001  the program's own code, in the middle of a run's
            if not self._has_failed:
                _log.exception("span processor %s failed; this is said once", type(self._processor).__name__)
            self._has_failed = True
