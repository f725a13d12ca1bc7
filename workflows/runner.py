"""Runs workflows only as far as their history goes and opens, and has them tell their details when somebody looks.

A query can lead a workflow ahead of its history: sent to a worker that has died, it comes to another one together with
results whose workflow task nobody has begun. That worker would apply them with the time and the length of an earlier
task, answer, and keep what it made of them for the task that comes. Every replay has them in that task: what follows
may be another step, and the run would be stuck.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast, runtime_checkable

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails

from perdure.contracts.messages import AHEAD_TEXT

from .observing import observed
from .unopened import refused_for_key


@runtime_checkable
class Detailed(Protocol):
    """A workflow whose current details are made when the Temporal UI asks for them, not at every step."""

    def details(self) -> str:
        """The details in Markdown."""
        ...


class CommittedRunner(UnsandboxedWorkflowRunner):
    """Refuses queries that would lead a workflow ahead of its history; asked again, it answers after the task."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A workflow instance that keeps to its history."""
        instance = super().create_instance(det)
        instance.activate = _Committed(instance.activate).activate
        _tell_details_when_asked(cast("Any", instance))
        return observed(instance, det)


def _tell_details_when_asked(instance: Any) -> None:
    given = instance.workflow_get_current_details

    def details() -> str:
        run = instance.workflow_instance()
        return run.details() if isinstance(run, Detailed) else given()

    instance.workflow_get_current_details = details


class _Committed:
    """The activations of one workflow instance.

    Each workflow task that was begun has a time of its own, which all of its activations bear. Events that come
    without a later one belong to a task that was not begun yet. The worker forgets an instance that has failed one, so
    the task finds the workflow as its history has it.
    """

    def __init__(self, activate: Callable[[WorkflowActivation], WorkflowActivationCompletion]) -> None:
        self._activate = activate
        self._begun, self._length = 0, 0

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        if all(job.HasField("query_workflow") or job.HasField("remove_from_cache") for job in act.jobs):
            return self._activate(act)
        if (refused := refused_for_key(act)) is not None:
            return refused
        begun = act.timestamp.ToNanoseconds()
        if begun == self._begun and act.history_length > self._length:
            return _refused(act)
        self._begun, self._length = begun, act.history_length
        return self._activate(act)


def _refused(act: WorkflowActivation) -> WorkflowActivationCompletion:
    completion = WorkflowActivationCompletion(run_id=act.run_id)
    completion.failed.failure.message = AHEAD_TEXT
    completion.failed.failure.application_failure_info.type = "AheadOfHistory"
    return completion
