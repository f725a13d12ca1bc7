"""Collectors that are down, slow or wrong: runs go on, memory is bounded, what is lost is counted and said once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from perdure import Runner
from perdure.telemetry import pipeline
from perdure.telemetry.outbox import Outbox
from tests.agents import scripted
from tests.telemetry.collector import http_collector


class Exporter(SpanExporter):
    """Answers as it is told to."""

    def __init__(self, answer: Callable[[], SpanExportResult]) -> None:
        self.answer = answer
        self.batches: list[int] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.batches.append(len(spans))
        return self.answer()


def ended(outbox: Outbox, count: int) -> None:
    provider = TracerProvider()
    provider.add_span_processor(outbox)
    for _ in range(count):
        provider.get_tracer("test").start_span("a span").end()


def refused() -> SpanExportResult:
    return SpanExportResult.FAILURE


def broken() -> SpanExportResult:
    raise ValueError("rubbish")


@pytest.mark.parametrize("answer", [refused, broken])
def test_what_a_collector_does_not_take_is_counted_and_said_once(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox(Exporter(answer), "the collector")
    for _ in range(3):
        ended(outbox, 5)
        assert outbox.force_flush()
    assert outbox.dropped == 15
    said = [record.getMessage() for record in caplog.records if record.name == "perdure.telemetry"]
    assert len(said) == 1
    assert "spans to the collector are dropped (5 now)" in said[0]
    outbox.close(2)


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """Ends an exporter that hangs until then."""
    released = threading.Event()
    yield released
    released.set()


def test_what_a_slow_collector_has_no_time_for_is_dropped(
    hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
    begun = threading.Event()

    def hang() -> SpanExportResult:
        begun.set()
        hanging.wait()
        return SpanExportResult.SUCCESS

    outbox = Outbox(Exporter(hang), "the collector")
    ended(outbox, 10)
    assert begun.wait(30)
    ended(outbox, 25)
    assert outbox.dropped == 15
    outbox.close(0.1)  # returns while the export hangs
    assert not hanging.is_set()
    assert outbox.dropped == 25


def test_at_the_end_all_is_exported() -> None:
    exporter = Exporter(lambda: SpanExportResult.SUCCESS)
    outbox = Outbox(exporter, "the collector")
    ended(outbox, 1000)
    outbox.close(30)
    assert (sum(exporter.batches), outbox.dropped) == (1000, 0)


async def hello() -> None:
    assert (await Runner.run(scripted("hello"), "hi")).final_output == "hello"


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_a_collector_that_is_down_costs_a_run_nothing(
    protocol: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    await hello()
    pipeline.close(30)
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 1, said
    assert "spans to http://127.0.0.1:1 are dropped (2 now)" in said[0].getMessage()


async def test_a_collector_that_answers_rubbish_costs_a_run_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_collector(lambda *_: b"\xff\x00<html>") as collector:
        for protocol in ("http/protobuf", "grpc"):  # by gRPC, a server of HTTP is no collector at all
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            await hello()
            pipeline.close()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "no address at all"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:99999"),
    ],
)
async def test_a_wrong_configuration_is_said_and_costs_a_run_nothing(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(variable, value)
    await hello()
    pipeline.close()
    said = " ".join(record.getMessage() for record in caplog.records if record.name == "perdure.telemetry")
    assert value in said
