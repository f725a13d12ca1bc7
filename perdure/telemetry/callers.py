"""Tells a run which trace its caller is in."""

from __future__ import annotations

import sys
from typing import Any

from temporalio.client import Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle

from perdure.contracts.run import RunInput
from perdure.telemetry.environment import is_disabled
from perdure.telemetry.links import HEADER, Link, written


class CallersTrace(Interceptor):
    """Has a run that is started within a span become part of its trace; elsewhere nothing is added to it."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        """What starts workflows."""
        return _Telling(next)


class _Telling(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        run = input.args[0] if input.args else None
        if isinstance(run, RunInput) and not run.settings.tracing_disabled and (link := current_link()) is not None:
            input.headers = {**input.headers, HEADER: written({"traceparent": link.traceparent})}
        return await super().start_workflow(input)


def current_link() -> Link | None:
    """The program's active span, if there is one."""
    if is_disabled() or "opentelemetry.trace" not in sys.modules:
        return None
    from opentelemetry import trace

    above = trace.get_current_span().get_span_context()
    return Link(above.trace_id, above.span_id, above.trace_flags.sampled) if above.is_valid else None
