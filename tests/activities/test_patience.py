"""A failed attempt waits longer each time; a lost one says nothing, and its policy repeats it after a second."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor

from activities.patience import Patience
from workflows.commands import _PATIENT


class Raising(ActivityInboundInterceptor):
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def execute_activity(self, input: Any) -> Any:
        raise self.error


async def failed(error: Exception, attempt: int = 1, policy: RetryPolicy = _PATIENT) -> Exception:
    """What the server is told of an attempt that raised."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=attempt, retry_policy=policy)
    with pytest.raises(Exception) as raised:  # noqa: PT011  which one is the question
        await environment.run(Patience().intercept_activity(Raising(error)).execute_activity, None)
    return raised.value


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (2, 2), (6, 32), (9, 60)])
@pytest.mark.parametrize("error", [ApplicationError("no", type="Unavailable"), OSError("no")])
async def test_each_failure_lets_the_next_attempt_wait_longer(error: Exception, attempt: int, seconds: int) -> None:
    said = await failed(error, attempt)
    assert isinstance(said, ApplicationError)
    assert (said.next_retry_delay, said.message) == (timedelta(seconds=seconds), "no")
    assert said.type == getattr(error, "type", "OSError")


@pytest.mark.parametrize(
    "error",
    [
        ApplicationError("over", non_retryable=True),
        ApplicationError("later", next_retry_delay=timedelta(seconds=7)),  # as a provider asked
    ],
)
async def test_what_an_error_says_itself_holds(error: ApplicationError) -> None:
    assert await failed(error) is error


async def test_the_retry_settings_of_a_model_hold() -> None:
    error = OSError("no")
    assert await failed(error, policy=RetryPolicy(backoff_coefficient=2.0)) is error
