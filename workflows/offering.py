"""A step that a worker declined is offered to all of them the next time.

Temporal gives an activity, for speed, to the worker that has just done the workflow task, if that has room. In a
rolling deployment this may be one that lacks what the step needs, and it would be offered the step again and again
while another one has it.
"""

from __future__ import annotations

from typing import Any

from temporalio.worker import (
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ActivityHandle

from perdure.loop.steps import OFFERED_AGAIN


class OfferedAround(Interceptor):
    """Lets no worker have a declined step before all others could."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """What wraps the workflows."""
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound))


class _Outbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        if OFFERED_AGAIN in (input.activity_id or ""):
            input.disable_eager_execution = True
        return super().start_activity(input)
