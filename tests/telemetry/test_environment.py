"""What OpenTelemetry's environment variables mean here, and that nothing is loaded before they ask for something."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.runtime import LoggingConfig, OpenTelemetryConfig, PrometheusConfig, TelemetryConfig

from perdure.errors import UserError
from perdure.telemetry import environment, log_lines
from perdure.telemetry.links import HEADER, Link, link_of, read, trace_id_of, written
from perdure.telemetry.metrics import metrics_config, runtime_with_metrics


def test_nothing_is_exported_unless_it_is_asked_for() -> None:
    assert environment.exporters("TRACES") == []
    assert metrics_config() is None


@pytest.mark.parametrize(
    ("variables", "traces", "metrics"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"}, ["otlp"], ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4317"}, ["otlp"], []),
        ({"OTEL_TRACES_EXPORTER": "console, otlp,console"}, ["console", "otlp"], []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_TRACES_EXPORTER": "none"}, [], ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_SDK_DISABLED": "true"}, [], []),
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, [], ["prometheus"]),
    ],
)
def test_exporters_are_named_or_follow_from_an_endpoint(
    variables: dict[str, str], traces: list[str], metrics: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (environment.exporters("TRACES"), environment.exporters("METRICS")) == (traces, metrics)


@pytest.mark.parametrize(
    ("variables", "url", "by_http"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"}, "http://c:4317", False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/metrics", True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/mine"}, "http://c:4318/mine", True),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:9", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            "http://c:9/v1/metrics",
            True,
        ),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, "http://localhost:4317", False),
    ],
)
def test_where_metrics_go(variables: dict[str, str], url: str, by_http: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**variables, "OTEL_EXPORTER_OTLP_HEADERS": "Api-Key=a=b, broken"}.items():
        monkeypatch.setenv(name, value)
    config = metrics_config()
    assert isinstance(config, OpenTelemetryConfig)
    assert (config.url, config.http, config.headers) == (url, by_http, {"api-key": "a=b"})


def test_where_metrics_are_scraped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "prometheus")
    config = metrics_config()
    assert isinstance(config, PrometheusConfig)
    assert config.bind_address == "127.0.0.1:9464"
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_HOST", "0.0.0.0")
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "nonsense")
    config = metrics_config()
    assert isinstance(config, PrometheusConfig)
    assert config.bind_address == "0.0.0.0:9464"


def test_metrics_that_cannot_be_exported_are_said_and_cost_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "prometheus")
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_HOST", "no host at all")
    assert runtime_with_metrics(TelemetryConfig(logging=LoggingConfig.default))
    assert "no metrics are exported" in caplog.text


@pytest.mark.parametrize(
    "value", [None, 7, "", "00-0-0-01", f"00-{'0' * 32}-{'1' * 16}-01", f"00-{'g' * 32}-{'1' * 16}-01"]
)
def test_what_is_no_link_is_none(value: object) -> None:
    assert link_of(value) is None


def test_a_link_is_read_as_it_was_written() -> None:
    for link in (Link(7, 8), Link(2**128 - 1, 1, sampled=False)):
        assert link_of(link.traceparent) == link


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"[" * 10_000, b'{"a": "' + b"x" * 20_000 + b'"}'])
def test_a_header_that_cannot_be_read_says_nothing(data: bytes) -> None:
    assert read({HEADER: Payload(data=data)}) == {}
    assert read({}) == {}
    assert read({HEADER: written({"a": 1})}) == {"a": 1}


def test_a_trace_id_of_the_agents_sdk_is_kept_and_any_other_name_stands_for_one() -> None:
    assert trace_id_of("trace_" + "0a" * 16) == int("0a" * 16, 16)
    assert trace_id_of("order 7") == trace_id_of("order 7") != trace_id_of("order 8")
    assert trace_id_of("trace_" + "0" * 32) > 0


def test_opentelemetry_is_not_loaded_where_nothing_is_exported() -> None:
    code = (
        "import sys, perdure, perdure.client.host, worker\n"
        "from perdure.telemetry.pipeline import pipeline\n"
        "assert pipeline() is None\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_line_of_json_is_one_object(caplog: pytest.LogCaptureFixture) -> None:
    try:
        int("two\nlines")
    except ValueError:
        logging.getLogger("shop").exception("order %s", "ü\n7")
    line = log_lines.JsonLines().format(caplog.records[0])
    assert "\n" not in line
    said = json.loads(line)
    assert (said["message"], said["level"], said["logger"]) == ("order ü\n7", "error", "shop")
    assert "two\\nlines" in said["exception"]
    assert "run_id" not in said


def test_a_log_format_must_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_LOG_FORMAT", "yaml")
    with pytest.raises(UserError, match="PERDURE_LOG_FORMAT is 'yaml'; set it to text or json"):
        log_lines.configure(logging.INFO)
