"""Tells a run, or a thread's message, which trace its caller is in."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Sequence
from contextvars import ContextVar
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)

from perdure.contracts.run import RunInput
from perdure.contracts.threads import ThreadMessage
from perdure.telemetry.environment import is_disabled
from perdure.telemetry.links import HEADER, Link, written

_earlier: ContextVar[Link | None] = ContextVar("perdure_earlier_run", default=None)


@contextlib.contextmanager
def going_on_from(earlier: Link | None) -> Generator[None]:
    """Has a run that is started in this block become part of an earlier run's trace, if nothing names another."""
    token = _earlier.set(earlier)
    try:
        yield
    finally:
        _earlier.reset(token)


class CallersTrace(Interceptor):
    """Has what is begun within a span become part of its trace: a run, or a thread's message; else nothing is added."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        """What starts workflows and sends updates."""
        return _Telling(next)


class _Telling(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        input.headers = {**input.headers, **_caller(input.args, RunInput)}
        return await super().start_workflow(input)

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:
        input.headers = {**input.headers, **_caller(input.args, ThreadMessage)}
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self, input: StartWorkflowUpdateWithStartInput
    ) -> WorkflowUpdateHandle[Any]:
        update = input.update_workflow_input
        update.headers = {**update.headers, **_caller(update.args, ThreadMessage)}
        return await super().start_update_with_start_workflow(input)


def _caller(given: Sequence[Any], kind: type[RunInput | ThreadMessage]) -> dict[str, Payload]:
    """The header of what begins a run, where it is sent within a span."""
    begins = given[0] if given and isinstance(given[0], kind) else None
    if begins is None or begins.settings.tracing_disabled:
        return {}
    link = current_link() or (_earlier.get() if begins.settings.trace_id is None else None)
    if link is None:
        return {}
    return {HEADER: written({"traceparent": link.traceparent})}


def current_link() -> Link | None:
    """The program's active span, if there is one."""
    if is_disabled() or "opentelemetry.trace" not in sys.modules:
        return None
    from opentelemetry import trace

    above = trace.get_current_span().get_span_context()
    return Link(above.trace_id, above.span_id, above.trace_flags.sampled) if above.is_valid else None
