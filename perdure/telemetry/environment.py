"""What OpenTelemetry's environment variables ask for; without any, nothing."""

from __future__ import annotations

import os
from typing import Literal

Signal = Literal["TRACES", "METRICS"]
Protocol = Literal["grpc", "http/protobuf"]

_EXPORT_SECONDS = 2.0  # one export, unless the environment says otherwise; OpenTelemetry's own default is 10
_HTTP_PORT = ":4318"  # OTLP's port for HTTP; 4317 is that for gRPC


def is_disabled() -> bool:
    """Whether OpenTelemetry is switched off as a whole."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def exporters(signal: Signal) -> list[str]:
    """The names of the exporters that are asked for; an endpoint alone asks for `otlp`."""
    if is_disabled():
        return []
    named = os.environ.get(f"OTEL_{signal}_EXPORTER", "").strip()
    if not named:
        return ["otlp"] if endpoint(signal) is not None else []
    names = [name.strip().lower() for name in named.split(",")]
    return [name for name in dict.fromkeys(names) if name and name != "none"]


def endpoint(signal: Signal) -> str | None:
    """Where to export to, if the environment says so."""
    return _otlp(signal, "ENDPOINT")


def is_whole_url(signal: Signal) -> bool:
    """Whether the endpoint is the signal's own, to which OTLP over HTTP adds no path."""
    return bool(os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "").strip())


def protocol(signal: Signal) -> Protocol:
    """How OTLP travels; unless the environment says so, by gRPC, but by HTTP to HTTP's port."""
    said = (_otlp(signal, "PROTOCOL") or "").lower()
    if said:
        return "http/protobuf" if said.startswith("http") else "grpc"
    return "http/protobuf" if _HTTP_PORT in (endpoint(signal) or "") else "grpc"


def timeout_seconds(signal: Signal) -> float:
    """How long one export may take."""
    return _number(_otlp(signal, "TIMEOUT"), _EXPORT_SECONDS)


def headers(signal: Signal) -> dict[str, str]:
    """What goes with each export, as a key of the collector's."""
    pairs = (pair.partition("=") for pair in (_otlp(signal, "HEADERS") or "").split(","))
    return {name.strip().lower(): value.strip() for name, given, value in pairs if given and name.strip()}


def number(name: str, default: float) -> float:
    """A number in the environment; what is none, or not above 0, is the default."""
    return _number(os.environ.get(name), default)


def _otlp(signal: Signal, what: str) -> str | None:
    for name in (f"OTEL_EXPORTER_OTLP_{signal}_{what}", f"OTEL_EXPORTER_OTLP_{what}"):
        if value := os.environ.get(name, "").strip():
            return value
    return None


def _number(text: str | None, default: float) -> float:
    try:
        value = float(text or default)
    except ValueError:
        return default
    return value if 0 < value < float("inf") else default
