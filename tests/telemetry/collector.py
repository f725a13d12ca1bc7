"""A collector for tests: takes OTLP on the loopback, by gRPC or HTTP, and keeps what it gets."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc


@dataclass(frozen=True)
class Received:
    """A span as it came."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    began_ns: int
    ended_ns: int
    attributes: dict[str, Any]
    error: bool
    message: str
    resource: dict[str, Any]


@dataclass
class Collector:
    """What came, and where it is to be sent."""

    endpoint: str = ""
    protocol: str = "grpc"
    spans: list[Received] = field(default_factory=list[Received])
    metrics: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def environment(self) -> dict[str, str]:
        """How OpenTelemetry is told of it."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol,
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
        }

    def tree(self) -> list[str]:
        """Each span with the names of those that it is part of, sorted: `invoke_agent A > chat m`."""
        return sorted(" > ".join(self.path(span)) for span in self.spans)

    def path(self, span: Received) -> list[str]:
        above = [each for each in self.spans if each.span_id == span.parent_id]
        assert len(above) <= 1, f"{len(above)} spans have the id {span.parent_id}"
        outer = self.path(above[0]) if above else ["?"] if span.parent_id else []
        return [*outer, span.name]

    def named(self, name: str) -> list[Received]:
        return [span for span in self.spans if span.name == name]

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Waits until what came is as wanted; a test that waits in vain ends with its timeout."""
        with self.changed:
            assert self.changed.wait_for(holds, timeout=60), f"came until now: {self.tree()}, {sorted(self.metrics)}"

    def take_spans(self, request: Any) -> None:
        with self.changed:
            for group in request.resource_spans:
                resource = attributes(group.resource.attributes)
                self.spans += [received(span, resource) for scope in group.scope_spans for span in scope.spans]
            self.changed.notify_all()

    def take_metrics(self, request: Any) -> None:
        with self.changed:
            for metric in (
                each for group in request.resource_metrics for s in group.scope_metrics for each in s.metrics
            ):
                points = getattr(metric, metric.WhichOneof("data")).data_points
                self.metrics[metric.name] = [attributes(point.attributes) for point in points]
            self.changed.notify_all()


def received(span: Any, resource: dict[str, Any]) -> Received:
    ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
    times = span.start_time_unix_nano, span.end_time_unix_nano
    failed = span.status.code == 2
    return Received(span.name, *ids, *times, attributes(span.attributes), failed, span.status.message, resource)


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: value_of(pair.value) for pair in pairs}


def value_of(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [value_of(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)


class _Traces(traces_grpc.TraceServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self.collector = collector

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  as OTLP names it
        self.collector.take_spans(request)
        return traces.ExportTraceServiceResponse()


class _Metrics(metrics_grpc.MetricsServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self.collector = collector

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.collector.take_metrics(request)
        return metrics.ExportMetricsServiceResponse()


@contextlib.contextmanager
def grpc_collector() -> Iterator[Collector]:
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(4))
    traces_grpc.add_TraceServiceServicer_to_server(_Traces(collector), server)
    metrics_grpc.add_MetricsServiceServicer_to_server(_Metrics(collector), server)
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


@contextlib.contextmanager
def http_collector(answer: Callable[[Collector, str, bytes], bytes] | None = None) -> Iterator[Collector]:
    """Takes OTLP over HTTP.

    Args:
        answer: What is answered, given the path and the body, instead of taking it.
    """
    collector = Collector(protocol="http/protobuf")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            said = (answer or take)(collector, self.path, body)
            with contextlib.suppress(ConnectionError):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(said)

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    collector.endpoint = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()


def take(collector: Collector, path: str, body: bytes) -> bytes:
    if path == "/v1/traces":
        collector.take_spans(traces.ExportTraceServiceRequest.FromString(body))
    elif path == "/v1/metrics":
        collector.take_metrics(metrics.ExportMetricsServiceRequest.FromString(body))
    return b""
