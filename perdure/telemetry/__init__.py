"""Traces, metrics and logs, configured by OpenTelemetry's own environment variables; docs/telemetry.md says how.

Nothing here imports OpenTelemetry until something is to be exported.
"""

from perdure.telemetry.pipeline import add_span_processor

__all__ = ["add_span_processor"]
