"""What cannot be decrypted: whether a workflow task must wait for a worker with the key, and what else becomes of it.

What workers have written waits for the key, and so does what begins a run: to go on without it would lose something.
What anybody may send, a signal or an update, waits only if a key of this process vouches for the one that is missing;
else whoever reaches the namespace could stop any run with one message.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from temporalio.api.common.v1 import Payload
from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, FailureError

from perdure.contracts.steps import KEY_MISSING
from perdure.encryption import is_genuine, is_rejected, lacks_key, reason
from perdure.errors import PayloadUnreadable
from perdure.loop.steps import CallTool, Outcome, OutcomeUnknown, Step, StepDeclined

_log = logging.getLogger("perdure")


def refused_for_key(act: WorkflowActivation) -> WorkflowActivationCompletion | None:
    """The failed workflow task of an activation that waits for a worker with the key; `None` if it need not."""
    for job in act.jobs:
        for payload in _waiting(job):
            _log.warning(
                "execution %s waits for another worker: a value of its history %s", act.run_id, reason(payload)
            )
            completion = WorkflowActivationCompletion(run_id=act.run_id)
            completion.failed.failure.message = f"A value of the history {reason(payload)}."
            completion.failed.failure.application_failure_info.type = KEY_MISSING
            return completion
    return None


def _waiting(job: WorkflowActivationJob) -> Iterator[Payload]:
    """The payloads of a job that lack their key and are not to be done without."""
    match job.WhichOneof("variant"):
        case "initialize_workflow":
            yield from filter(lacks_key, job.initialize_workflow.arguments)
        case "resolve_activity":
            yield from filter(lacks_key, _results(job))
        case "signal_workflow":
            yield from _vouched(job.signal_workflow.input)
        case "do_update":
            yield from _vouched(job.do_update.input)
        case _:
            pass


def _vouched(payloads: Iterable[Payload]) -> Iterator[Payload]:
    return (payload for payload in payloads if lacks_key(payload) and is_genuine(payload))


def _results(job: WorkflowActivationJob) -> Iterator[Payload]:
    result = job.resolve_activity.result
    if result.HasField("completed"):
        yield result.completed.result
    elif result.HasField("failed"):
        cause = result.failed.failure.cause
        yield cause.encoded_attributes
        yield from cause.application_failure_info.details.payloads


def unopened_result(step: Step, result: RawValue) -> Outcome:
    """What a result means that no worker of this deployment has written: as if there were none."""
    text = f"What was told of this step {reason(result.payload)}."
    return OutcomeUnknown(text) if isinstance(step, CallTool) else StepDeclined(text)


def unopened_input(error: FailureError) -> str:
    """Why a worker could not open a step's input, if that is what the step failed with; else empty."""
    cause: BaseException | None = error
    while isinstance(cause, FailureError):
        if isinstance(cause, ApplicationError) and cause.type == PayloadUnreadable.__name__:
            return cause.message
        cause = cause.cause
    return ""


def check_opened(value: object) -> None:
    """Refuses what stands for a value that could not be opened.

    Raises:
        ValueError: It does.
    """
    if isinstance(value, RawValue) and is_rejected(value.payload):
        raise ValueError(f"a value {reason(value.payload)}")
