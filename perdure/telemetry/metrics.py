"""Where metrics go, Temporal's own and ours alike: both are measured by the runtime that temporalio shares."""

from __future__ import annotations

import logging
import os
from datetime import timedelta

from temporalio.common import MetricMeter
from temporalio.runtime import OpenTelemetryConfig, PrometheusConfig, Runtime, TelemetryConfig

from perdure.telemetry import environment

_log = logging.getLogger("perdure.telemetry")

_DEFAULT_PORT = {"grpc": "http://localhost:4317", "http/protobuf": "http://localhost:4318"}
_METRICS_PATH = "/v1/metrics"
_SERVICE = "perdure"

# In seconds: model calls and tools take from milliseconds to minutes, approvals and runs up to weeks.
_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86_400.0, 604_800.0]
_DOLLARS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0]
_meter = MetricMeter.noop
_OURS = ("run_duration", "model_duration", "tool_duration", "guardrail_duration", "approval_wait")


def runtime_with_metrics(telemetry: TelemetryConfig) -> Runtime:
    """A runtime that exports what the environment asks for; what cannot be exported is said, and costs nothing else."""
    global _meter  # noqa: PLW0603  a process has one
    config = metrics_config()
    if config is None:
        return Runtime(telemetry=telemetry)
    measured = TelemetryConfig(
        logging=telemetry.logging, metrics=config, global_tags={"service_name": _service()}, attach_service_name=False
    )
    try:
        runtime = Runtime(telemetry=measured)
    except (RuntimeError, ValueError) as error:
        _log.warning("no metrics are exported: %s", str(error).strip())
        return Runtime(telemetry=telemetry)
    _meter = runtime.metric_meter
    return runtime


def spans_dropped(count: int) -> None:
    """Counts spans that could not be exported."""
    _meter.create_counter("perdure_spans_dropped", "spans that could not be exported").add(count)


def metrics_config() -> OpenTelemetryConfig | PrometheusConfig | None:
    """Where the environment wants metrics, if anywhere; the runtime has one way out: the first one named."""
    names = environment.exporters("METRICS")
    if names and names[0] == "prometheus":
        host = os.environ.get("OTEL_EXPORTER_PROMETHEUS_HOST", "").strip() or "localhost"
        port = int(environment.number("OTEL_EXPORTER_PROMETHEUS_PORT", 9464))
        address = f"{'127.0.0.1' if host == 'localhost' else host}:{port}"
        return PrometheusConfig(address, durations_as_seconds=True, histogram_bucket_overrides=_buckets())
    if names and names[0] == "otlp":
        return _otlp()
    if names:
        text = "OTEL_METRICS_EXPORTER names %r, which Perdure does not have: it exports to otlp or prometheus."
        _log.warning(text, names[0])
    return None


def _otlp() -> OpenTelemetryConfig:
    by_http = environment.protocol("METRICS") != "grpc"
    url = environment.endpoint("METRICS") or _DEFAULT_PORT[environment.protocol("METRICS")]
    if by_http and not environment.is_whole_url("METRICS"):
        url = url.rstrip("/") + _METRICS_PATH
    return OpenTelemetryConfig(
        url=url,
        headers=environment.headers("METRICS"),
        metric_periodicity=timedelta(milliseconds=environment.number("OTEL_METRIC_EXPORT_INTERVAL", 10_000)),
        durations_as_seconds=True,
        http=by_http,
        histogram_bucket_overrides=_buckets(),
    )


def _buckets() -> dict[str, list[float]]:
    return {f"perdure_{name}": _BUCKETS for name in _OURS} | {"perdure_cost_usd": _DOLLARS}


def _service() -> str:
    return os.environ.get("OTEL_SERVICE_NAME", "").strip() or _SERVICE
