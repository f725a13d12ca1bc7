"""How long a failed attempt waits before the next one; one that was lost with its worker is made again at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from perdure.errors import describe_exception

_FIRST_SECONDS, _LONGEST_SECONDS = 1.0, 60.0


class Patience(Interceptor):
    """Lets failed attempts wait longer each time, where the step's own policy does not.

    A retry policy cannot tell an attempt that failed from one whose worker died, so ours repeats after a second and the
    attempt that fails says for itself how long the next one is to wait.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """What runs the activities."""
        return _Patient(next)


class _Patient(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await self.next.execute_activity(input)
        except ApplicationError as error:
            if error.non_retryable or error.next_retry_delay is not None or _grows_by_itself():
                raise
            raise ApplicationError(
                error.message, *error.details, type=error.type, next_retry_delay=_delay(), category=error.category
            ) from error
        except Exception as error:
            if _grows_by_itself():
                raise
            said = describe_exception(error)
            raise ApplicationError(said["message"], type=said["type"], next_retry_delay=_delay()) from error


def _grows_by_itself() -> bool:
    policy = activity.info().retry_policy
    return policy is None or policy.backoff_coefficient != 1.0


def _delay() -> timedelta:
    return timedelta(seconds=min(_FIRST_SECONDS * 2.0 ** (activity.info().attempt - 1), _LONGEST_SECONDS))
