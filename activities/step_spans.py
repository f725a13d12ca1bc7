"""Tells of each attempt of a step: its span, if the run is traced, and what is counted of it.

An interceptor opens the span and ends it; what only the step knows, it notes here on its way.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from perdure.contracts.effects import ResolveEffectInput
from perdure.contracts.steps import CALL_MODEL, CALL_TOOL, SnapshotInput, StepInput
from perdure.errors import describe_exception
from perdure.telemetry.attributes import plain, plain_attributes
from perdure.telemetry.links import link_of, read
from perdure.telemetry.pipeline import pipeline

from . import step_metrics

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_log = logging.getLogger("perdure.telemetry")

_PREFIXES = {CALL_TOOL: "execute_tool "}
_OPERATIONS = {CALL_MODEL: "chat", CALL_TOOL: "execute_tool"}


class StepSpan:
    """One attempt, as it is told.

    Attributes:
        content: Whether what was said may be told, too.
        labels: What its metrics are counted by.
        error: The type of the error that the step ended in, though its activity did not.
    """

    def __init__(self, name: str, span: Span | None, *, content: bool) -> None:
        self.name = name
        self.content = content and span is not None
        self.labels: dict[str, str] = {}
        self.error = ""
        self._span = span

    @property
    def is_recording(self) -> bool:
        """Whether anybody hears what is told."""
        return self._span is not None and self._span.is_recording()

    def tell(self, attributes: Mapping[str, Any]) -> None:
        """Adds attributes to the span, but those without a value."""
        if self._span is not None:
            self._span.set_attributes(plain_attributes(attributes))

    def rename(self, name: str) -> None:
        """Gives the span its name, once it is known."""
        if self._span is not None:
            self._span.update_name(plain(name))

    def fail(self, error: str, message: str = "") -> None:
        """Says that the step ended in an error, the first time."""
        if self.error:
            return
        self.error = error
        if self._span is not None:
            from opentelemetry.trace import Status, StatusCode

            self._span.set_attribute("error.type", plain(error))
            self._span.set_status(Status(StatusCode.ERROR, plain(message) if message and self.content else None))


_unheard = StepSpan("", None, content=False)
_current: ContextVar[StepSpan] = ContextVar("perdure_step_span", default=_unheard)


def step_span() -> StepSpan:
    """The attempt under way; outside of one, what nobody hears."""
    return _current.get()


def about(step: Any) -> None:
    """Notes which agent's step it is."""
    if isinstance(step, ResolveEffectInput):
        step = step.call
    span = step_span()
    if isinstance(step, SnapshotInput):
        span.tell({"gen_ai.agent.name": step.agent})
    elif isinstance(step, StepInput):
        span.labels["agent"] = step.agent
        span.tell({"gen_ai.agent.name": step.agent, "perdure.turn": step.turn or None})


_P = ParamSpec("_P")


def harmless(tell: Callable[_P, None]) -> Callable[_P, None]:
    """A function that tells of a step and whose errors are logged, not the step's."""

    def told(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            tell(*args, **kwargs)
        except Exception:  # noqa: BLE001  what steps are given may be anything
            _log.warning("a step cannot be told of", exc_info=True)

    return told


class StepSpans(Interceptor):
    """Tells of activities."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """What runs the activities."""
        return _Told(next)


class _Told(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        began = time.monotonic()
        with _opened(input) as span:
            token = _current.set(span)
            try:
                for value in input.args[:1]:
                    about(value)
                return await self.next.execute_activity(input)
            except asyncio.CancelledError:
                span.fail("Cancelled")
                raise
            except ApplicationError as error:
                span.fail(error.type or type(error).__name__, error.message)
                raise
            except Exception as error:
                said = describe_exception(error)
                span.fail(said["type"], said["message"])
                raise
            finally:
                _current.reset(token)
                step_metrics.ended(span.name, span.labels, span.error, time.monotonic() - began)


@contextmanager
def _opened(input: ExecuteActivityInput) -> Generator[StepSpan]:
    name, told = activity.info().activity_type, read(input.headers)
    way_out, link = pipeline(), link_of(told.get("traceparent"))
    if way_out is None or link is None:
        yield StepSpan(name, None, content=False)
        return
    from opentelemetry.trace import SpanKind

    from perdure.telemetry.exporting import context_of

    kind = SpanKind.CLIENT if name == CALL_MODEL else SpanKind.INTERNAL
    with way_out.exporting.tracer.start_as_current_span(
        plain(shown_name(name)),
        context_of(link),
        kind=kind,
        attributes=plain_attributes(_attributes(name, told)),
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield StepSpan(name, span, content=told.get("perdure_content") is True)


def shown_name(activity_type: str) -> str:
    """What a step's span is called: `execute_tool add`, `guardrail polite`, `session read`."""
    if activity_type == CALL_MODEL:
        return "chat"
    for prefix, word in _PREFIXES.items():
        if activity_type.startswith(prefix):
            return word + activity_type.removeprefix(prefix)
    return activity_type.replace(".", " ", 1)


def _attributes(name: str, told: dict[str, Any]) -> dict[str, Any]:
    info = activity.info()
    attributes: dict[str, Any] = {
        "perdure.run.id": info.workflow_id or "",
        "perdure.step.id": info.activity_id,
        "perdure.attempt": info.attempt,
    }
    operation = next((word for prefix, word in _OPERATIONS.items() if name.startswith(prefix)), None)
    if operation is not None:
        attributes["gen_ai.operation.name"] = operation
    if isinstance(conversation := told.get("perdure_conversation"), str):
        attributes["gen_ai.conversation.id"] = conversation
    return attributes
