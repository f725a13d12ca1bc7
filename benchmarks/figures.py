"""From samples to figures: percentiles of one side, ratios of two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

from benchmarks.sides import Sample


@dataclass(frozen=True, slots=True)
class Figures:
    """One side's figures, all per turn.

    Attributes:
        latency_ms_p50: Of the turns of all runs, by the server's clock; `latency_ms_p95` likewise.
        client_ms: A run's time as its client sees it, divided by its turns; the median of the runs.
        cpu_ms: CPU time of the worker's process; the median of the runs.
    """

    latency_ms_p50: float
    latency_ms_p95: float
    client_ms: float
    cpu_ms: float
    events: float
    history_bytes: float


def figures(samples: Sequence[Sample]) -> Figures:
    """The figures of one side's runs."""
    turns = [1000 * seconds for sample in samples for seconds in sample.turn_seconds]
    return Figures(
        latency_ms_p50=median(turns),
        latency_ms_p95=percentile_95(turns),
        client_ms=median(1000 * sample.seconds / sample.job.turns for sample in samples),
        cpu_ms=median(1000 * sample.cpu_seconds / sample.job.turns for sample in samples),
        events=median(sample.events / sample.job.turns for sample in samples),
        history_bytes=median(sample.history_bytes / sample.job.turns for sample in samples),
    )


def percentile_95(values: Sequence[float]) -> float:
    """The value that 95 % stay below; of a single one, itself."""
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


_MEASURES: Mapping[str, Callable[[Sample], float]] = {
    "latency_ms_p50": lambda sample: median(sample.turn_seconds),
    "latency_ms_p95": lambda sample: percentile_95(sample.turn_seconds),
    "client_ms": lambda sample: sample.seconds,
    "cpu_ms": lambda sample: sample.cpu_seconds,
    "events": lambda sample: sample.events,
    "history_bytes": lambda sample: sample.history_bytes,
}


def ratios(samples: Sequence[Sample], floor: Sequence[Sample]) -> dict[str, float]:
    """How many times the floor each figure is: the median of the ratios of runs that were made one after the other.

    A machine that gets slower or faster in the meantime changes both runs of a pair, so their ratio holds.
    """
    pairs = list(zip(samples, floor, strict=True))
    return {name: median(value(one) / value(other) for one, other in pairs) for name, value in _MEASURES.items()}


def comparison(samples: Mapping[str, Sequence[Sample]]) -> dict[str, dict[str, Any]]:
    """Each side's figures; of all but the floor also the ratios to it."""
    floor = samples["floor"]
    told: dict[str, dict[str, Any]] = {side: asdict(figures(found)) for side, found in samples.items()}
    for side, found in samples.items():
        if side != "floor":
            told[side]["ratios"] = ratios(found, floor)
    return told
