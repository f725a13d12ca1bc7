"""A step whose input a worker cannot decrypt was certainly not done: it is offered again, wherever that was noticed."""

from __future__ import annotations

import itertools

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, RetryState

from perdure.encryption import rejected
from perdure.errors import PayloadUnreadable
from perdure.loop.steps import CallModel, CallTool, OutcomeUnknown, StepDeclined, StepFailed
from workflows.outcomes import failure, success
from workflows.unopened import check_opened

MODEL = CallModel(id="model.1", path="", turn=1)
TOOL = CallTool(id="tool.1.0", path="", call_id="1.0")


def failed(*chain: ApplicationError) -> ActivityError:
    """What a workflow is told of an activity that failed with the first error, which the others have caused."""
    for error, cause in itertools.pairwise(chain):
        error.__cause__ = cause
    error = ActivityError(
        "Activity task failed",
        scheduled_event_id=5,
        started_event_id=6,
        identity="7@host",
        activity_type="call_model",
        activity_id="model.1",
        retry_state=RetryState.MAXIMUM_ATTEMPTS_REACHED,
    )
    error.__cause__ = chain[0]
    return error


UNREADABLE = ApplicationError("key 'new' is missing", type=PayloadUnreadable.__name__)


@pytest.mark.parametrize("step", [MODEL, TOOL])
@pytest.mark.parametrize("what", ["arguments", "heartbeat details"])
def test_an_input_that_a_worker_cannot_open_is_no_failure(step: CallModel | CallTool, what: str) -> None:
    # temporalio decodes them before any code of ours runs, and says no more itself.
    assert failure(step, failed(ApplicationError(f"Failed decoding {what}"), UNREADABLE)) == StepDeclined(
        "key 'new' is missing"
    )


def test_an_activity_that_a_worker_does_not_know_is_left_to_one_that_does() -> None:
    """A worker of an older version, in the middle of a deployment."""
    unknown = ApplicationError("Activity function call_model is not registered", type="NotFoundError")
    assert failure(MODEL, failed(unknown)) == StepDeclined("Activity function call_model is not registered")
    of_the_user = ApplicationError("no such order", type="NotFoundError", non_retryable=True)
    assert isinstance(failure(MODEL, failed(of_the_user)), StepFailed)


def test_any_other_input_that_cannot_be_decoded_is_one() -> None:
    error = failed(ApplicationError("Failed decoding arguments"), ApplicationError("no JSON", type="ValueError"))
    assert isinstance(failure(MODEL, error), StepFailed)


def test_a_result_that_no_worker_has_written_is_none() -> None:
    forged = RawValue(rejected("it is not encrypted"))
    assert isinstance(success(MODEL, forged, "A", ""), StepDeclined)
    unknown = success(TOOL, forged, "A", "")
    assert isinstance(unknown, OutcomeUnknown)
    assert "it is not encrypted" in unknown.why


def test_only_what_could_not_be_opened_is_refused() -> None:
    check_opened(RawValue(Payload(data=b"x")))
    check_opened({"chunks": []})
    with pytest.raises(ValueError, match="it is not encrypted"):
        check_opened(RawValue(rejected("it is not encrypted")))
