"""A collector that this process exports to, and nothing left of it afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from perdure.telemetry import pipeline
from tests.telemetry.collector import Collector, grpc_collector


@pytest.fixture(autouse=True)
def nothing_asked_for(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    pipeline.close()
    yield
    pipeline.close()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with grpc_collector() as collector:
        for name, value in collector.environment.items():
            monkeypatch.setenv(name, value)
        yield collector
        pipeline.close()
