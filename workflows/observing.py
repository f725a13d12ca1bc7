"""Looks at a run after each activation and tells of it: spans, metrics, and the trace that its steps belong to.

Whatever goes wrong here is logged once and changes nothing of the run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol, cast, runtime_checkable

from temporalio.bridge.proto.workflow_activation import DoUpdate, RemoveFromCache, WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.common import MetricMeter
from temporalio.runtime import Runtime
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails

from perdure.contracts.converter import data_converter
from perdure.contracts.run import RunSettings
from perdure.loop.records import Failure
from perdure.loop.state import LoopState
from perdure.telemetry.held import held
from perdure.telemetry.links import HEADER, read, written
from perdure.telemetry.pipeline import Pipeline, pipeline
from perdure.usage import Usage

from .changes import MESSAGES, NANOSECONDS, Agent, Change, Changes, MessageBegan, MessageEnded
from .run_metrics import RunMetrics
from .run_spans import RunSpans

_log = logging.getLogger("perdure.telemetry")

_ENDS = {
    "complete_workflow_execution": "",
    "fail_workflow_execution": "RunFailed",
    "cancel_workflow_execution": "Cancelled",
}
_BEGAN = "perdure_began"  # in the header of a run that goes on in a new history; likewise
_CALLERS = "perdure_callers"  # of a thread: in whose traces the messages are that wait
_MOST_CALLERS = 50  # in a header
_MESSAGE = "message"  # the update
_KEPT = ("UNSPECIFIED", "CACHE_FULL", "CACHE_MISS", "LANG_REQUESTED", "WORKFLOW_EXECUTION_ENDING")


@runtime_checkable
class Told(Protocol):
    """A workflow that is a run."""

    state: LoopState
    settings: RunSettings


def observed(instance: Any, det: WorkflowInstanceDetails) -> WorkflowInstance:
    """The workflow instance, looked at where anything is to be exported."""
    way_out, meter = pipeline(), Runtime.default().metric_meter
    if way_out is not None or meter is not MetricMeter.noop:
        instance.activate = _Observer(instance, det, way_out, meter).activate
    return instance


class _Observer:
    """Sees the activations of one workflow instance."""

    _has_failed = False

    def __init__(
        self, instance: Any, det: WorkflowInstanceDetails, way_out: Pipeline | None, meter: MetricMeter
    ) -> None:
        self._instance = instance
        self._activate: Callable[[WorkflowActivation], WorkflowActivationCompletion] = instance.activate
        self._info = det.info
        self._pipeline = way_out
        self._metrics = RunMetrics(meter)
        self._changes = Changes()
        self._told: dict[str, Any] = {}
        self._callers: dict[str, Any] = {}  # of a thread's messages that wait: the `traceparent` of whoever sent them
        self._spans: RunSpans | None = None
        self._has_begun = False
        self._task = self._length = 0  # when the workflow task began, and how long the history was

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        self._safely(lambda: self._before(act))
        completion = self._activate(act)
        if not all(job.HasField("query_workflow") or job.HasField("remove_from_cache") for job in act.jobs):
            self._safely(lambda: self._after(act, completion))
        return completion

    def _before(self, act: WorkflowActivation) -> None:
        for job in act.jobs:
            if job.HasField("remove_from_cache"):
                reason = RemoveFromCache.EvictionReason.Name(job.remove_from_cache.reason)
                (held.release if reason in _KEPT else held.forget)(id(self))
            elif job.HasField("initialize_workflow"):
                self._told = read(job.initialize_workflow.headers)
                self._callers |= _texts(self._told.get(_CALLERS))
            elif job.HasField("do_update") and job.do_update.name == _MESSAGE:
                self._hear(job.do_update)
        task = act.timestamp.ToNanoseconds()
        if task and (task, act.history_length) != (self._task, self._length):
            held.release(id(self))  # the server has taken the one before, or this instance would be gone
            self._task, self._length = task, act.history_length

    def _after(self, act: WorkflowActivation, completion: WorkflowActivationCompletion) -> None:
        run = self._instance.workflow_instance()
        if completion.HasField("failed") or not isinstance(run, Told):
            return
        self._begin(run)
        tell = list(self._happened(run.state, completion.successful.commands))
        if not act.is_replaying:
            held.hold(id(self), tell)
            self._mark(run.state, completion.successful.commands)

    def _hear(self, update: DoUpdate) -> None:
        """Notes in whose trace a thread's message is; the message alone tells its id."""
        caller = read(update.headers).get("traceparent")
        if isinstance(caller, str) and update.input:
            message: Any = data_converter.payload_converter.from_payload(update.input[0])
            message_id = cast("dict[str, Any]", message).get("message_id") if isinstance(message, dict) else None
            if isinstance(message_id, str):
                self._callers.setdefault(message_id, caller)

    def _begin(self, run: Told) -> None:
        if self._has_begun:
            return
        self._has_begun = True
        began = _times(self._told.get(_BEGAN))
        messages = began.pop(MESSAGES, 0)
        self._changes = Changes(self._info.continued_run_id is not None, began, messages=messages)
        if run.state.thread is None:
            began.setdefault("", int(self._info.workflow_start_time.timestamp() * NANOSECONDS))
            self._trace(run.state, run.settings, self._told)

    def _trace(self, state: LoopState, settings: RunSettings, told: dict[str, Any], message: int = 0) -> None:
        """Begins, or goes on with, the trace of the run or of a thread's message."""
        self._spans = None
        if self._pipeline is None or settings.tracing_disabled:
            return
        spans = self._spans = RunSpans(self._info, settings, told, message)
        if spans.decides:
            spans.sample(self._pipeline.exporting.is_sampled(spans.trace_id, f"invoke_agent {state.agent_name}"))

    def _happened(self, state: LoopState, commands: Iterable[WorkflowCommand]) -> Iterable[Callable[[], None]]:
        """What is to be told of this activation."""
        changes = self._changes.look(state, self._task)
        end = next((name for command in commands if (name := command.WhichOneof("variant") or "") in _ENDS), None)
        if end is not None:
            changes += self._changes.end(state, self._task)
        for change in changes:
            yield from self._of(change, state)
        if end is not None and (root := self._changes.agents.get("")) is not None:
            failure = state.failure or (Failure(_ENDS[end], "") if _ENDS[end] else None)
            yield from self._ended(root, state, state.usage if root.message else state.paid, failure)
        if state.thread is not None:
            waiting = {message.message_id for message in state.thread.queue}
            self._callers = {name: caller for name, caller in self._callers.items() if name in waiting}

    def _of(self, change: Change, state: LoopState) -> Iterable[Callable[[], None]]:
        match change:
            case MessageBegan(agent, settings, is_known):
                caller = self._callers.get(agent.message_id)
                told = self._told if is_known else {} if caller is None else {"traceparent": caller}
                self._trace(state, RunSettings.model_validate(settings), told, agent.message)
            case MessageEnded(agent, ended, _):
                yield from self._ended(agent, state, ended.usage, ended.failure)
                self._spans = None
            case _:
                yield partial(self._metrics.count, change)
                if self._spans is not None and self._pipeline is not None:
                    yield from (partial(self._pipeline.emit, span) for span in self._spans.of(change, state))

    def _ended(
        self, root: Agent, state: LoopState, used: Usage, failure: Failure | None
    ) -> Iterable[Callable[[], None]]:
        """What is told of a run, or a thread's message, that has ended."""
        if self._spans is not None and self._pipeline is not None:
            yield partial(self._pipeline.emit, self._spans.run(root, state, used, failure, self._task))
        yield partial(self._metrics.ended, root.name, failure.type if failure else "", self._task - root.began_ns)

    def _mark(self, state: LoopState, commands: Iterable[WorkflowCommand]) -> None:
        """Tells steps, and the next execution, which trace they belong to."""
        for command in commands:
            scheduled = command.WhichOneof("variant")
            if scheduled in ("schedule_activity", "schedule_local_activity") and self._spans is not None:
                activity = getattr(command, scheduled)
                activity.headers[HEADER].CopyFrom(written(self._spans.header(state, activity.activity_id)))
            elif command.HasField("continue_as_new_workflow_execution"):
                headers = command.continue_as_new_workflow_execution.headers
                of_trace = {} if self._spans is None else self._spans.carried()
                if self._callers:
                    of_trace[_CALLERS] = dict(list(self._callers.items())[:_MOST_CALLERS])
                headers[HEADER].CopyFrom(written({**of_trace, _BEGAN: self._changes.carried()}))

    def _safely(self, look: Callable[[], None]) -> None:
        try:
            look()
        except Exception:  # noqa: BLE001  a run must not fail because of who looks at it
            if not _Observer._has_failed:
                _log.exception("run %s cannot be told of; this is said once", self._info.workflow_id)
            _Observer._has_failed = True


def _texts(told: Any) -> dict[str, str]:
    found = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    return {name: text for name, text in found.items() if isinstance(text, str)}


def _times(began: Any) -> dict[str, int]:
    """When agents began, as the execution before has told; whoever starts a workflow may have written anything."""
    told = cast("dict[str, Any]", began) if isinstance(began, dict) else {}
    return {path: at for path, at in told.items() if isinstance(at, int) and 0 < at < 2**63}
