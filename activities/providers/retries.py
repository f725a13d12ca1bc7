"""Whether a failed model call is made again: the user's policy, told what failed."""

from __future__ import annotations

import asyncio
import inspect
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from perdure.errors import ModelTimeoutError
from perdure.model import Model
from perdure.retry import (
    DEFAULT_MAX_ATTEMPTS,
    ModelRetryAdvice,
    ModelRetryAdviceRequest,
    ModelRetryNormalizedError,
    ModelRetrySettings,
    RetryPolicyContext,
)
from perdure.retry_policies import decide

from .failures import (
    MAX_RETRY_AFTER_SECONDS,
    HollowAnswer,
    ProviderFailure,
    classify,
    error_code,
    error_headers,
    request_id_of,
)
from .wiring import is_wired

_TIMEOUTS = ("APITimeoutError", "TimeoutException", "ReadTimeout", "Timeout")


@dataclass(frozen=True)
class FailedCall:
    """A model call that failed.

    Attributes:
        error: What was raised.
        attempt: Which attempt it was, from 1, those counted whose worker died.
        model: The model's object, if it has advice to give.
        previous_response_id: As the request had it.
        conversation_id: As the request had it.
        hollow_before: Whether an earlier attempt got a hollow answer.
        stream: Whether the answer was asked for as a stream.
    """

    error: BaseException
    attempt: int
    model: Model | None = None
    previous_response_id: str | None = None
    conversation_id: str | None = None
    hollow_before: bool = False
    stream: bool = False

    @property
    def is_stateful(self) -> bool:
        """Whether the provider keeps the conversation."""
        return self.previous_response_id is not None or self.conversation_id is not None

    @property
    def is_blind(self) -> bool:
        """Whether another attempt could say everything twice: it cannot see what this one left in the conversation."""
        return self.conversation_id is not None and self.model is not None and not is_wired(self.model)


@dataclass(frozen=True)
class RetryVerdict:
    """Whether Temporal is to try again, after how many seconds (`None`: as its own policy says), and what failed.

    Attributes:
        is_unknown: Whether another attempt could make sense, were it known that this one left nothing behind.
    """

    again: bool
    after_seconds: float | None
    failure: ProviderFailure
    is_unknown: bool = False


async def judge_retry(call: FailedCall, retry: ModelRetrySettings | None) -> RetryVerdict:
    """Judges a failed call by the live settings of its agent and run.

    Without a policy a failure that may pass is repeated, but for a second hollow answer, and for a request that the
    provider may have taken into a conversation, of a model that cannot look there. A policy's yes is overruled where
    the user cancelled, where the model vetoes, and where the provider keeps the conversation and may have accepted the
    request, unless the model says that repeating is safe or the policy approves it all the same.
    """
    failure = classify(call.error, datetime.now(UTC))
    if retry is None:
        return await _without_policy(call, failure)
    limit = DEFAULT_MAX_ATTEMPTS - 1 if retry.max_retries is None else retry.max_retries
    if call.attempt > limit or not isinstance(call.error, Exception):
        return RetryVerdict(False, None, failure)
    if retry.policy is None:
        return await _without_policy(call, failure)
    advised = await _advice(call, call.error)
    context = RetryPolicyContext(
        error=call.error,
        attempt=call.attempt,
        max_retries=limit,
        stream=call.stream,
        normalized=normalized(call.error, failure, advised),
        provider_advice=advised,
        previous_response_id=call.previous_response_id,
        conversation_id=call.conversation_id,
    )
    decision = await decide(retry.policy, context)
    approved = decision.approve_unsafe_replay
    refused = context.normalized.is_abort or (advised is not None and advised.suggested is False)
    safety = advised.replay_safety if advised is not None else None
    unsafe = safety == "unsafe" or (call.is_stateful and safety != "safe")
    if not decision.retry or refused or (unsafe and not approved):
        return RetryVerdict(False, None, failure)
    delay = context.normalized.retry_after if decision.delay is None else decision.delay
    return RetryVerdict(True, _bounded(delay), failure)


def _bounded(seconds: float | None) -> float | None:
    """A wait that user code names, as Temporal takes it; of none that is no number the backoff decides."""
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


async def _without_policy(call: FailedCall, failure: ProviderFailure) -> RetryVerdict:
    if call.hollow_before and isinstance(call.error, HollowAnswer):
        return RetryVerdict(False, None, failure)
    if failure.retryable and call.is_blind and not _was_refused(failure):
        advised = await _advice(call, call.error) if isinstance(call.error, Exception) else None
        if advised is None or advised.replay_safety != "safe":
            return RetryVerdict(False, None, failure, is_unknown=True)
    return RetryVerdict(failure.retryable, failure.retry_after_seconds, failure)


def _was_refused(failure: ProviderFailure) -> bool:
    """Whether the server itself said no; of a gateway's error (502, 504 and those above) nobody knows what it hides."""
    status = failure.status
    return status is not None and (status < HTTPStatus.BAD_GATEWAY or status == HTTPStatus.SERVICE_UNAVAILABLE)


def advice(request: ModelRetryAdviceRequest) -> ModelRetryAdvice | None:
    """What the kind of a failure tells of asking again, for servers of the OpenAI APIs."""
    failure = classify(request.error, datetime.now(UTC))
    if failure.status is None and not failure.retryable:
        return None
    facts = normalized(request.error, failure, None)
    said = str(error_headers(request.error).get("x-should-retry")).lower()  # OpenAI's own
    if failure.status is not None and not failure.retryable and said != "false":
        return None
    stateful = request.previous_response_id is not None or request.conversation_id is not None
    # A server that answered with an error kept nothing of the request; of one that did not answer, nobody knows.
    safe = failure.retryable and failure.status is not None and (stateful or said == "true")
    return ModelRetryAdvice(
        suggested=failure.retryable,
        retry_after=failure.retry_after_seconds,
        replay_safety="safe" if safe else None,
        reason=failure.message,
        normalized=facts,
    )


def normalized(
    error: Exception, failure: ProviderFailure, advised: ModelRetryAdvice | None
) -> ModelRetryNormalizedError:
    """The facts of a failure; what the model's advice adds comes before what the error shows."""
    names = [base.__name__ for base in type(error).__mro__]
    timed_out = isinstance(error, TimeoutError | ModelTimeoutError) or any(name in _TIMEOUTS for name in names)
    facts = ModelRetryNormalizedError(
        status_code=failure.status,
        error_code=error_code(error),
        message=failure.message,
        request_id=request_id_of(error),
        retry_after=failure.retry_after_seconds,
        is_abort=isinstance(error.__cause__, asyncio.CancelledError),
        is_network_error=failure.retryable and failure.status is None and not isinstance(error, ModelTimeoutError),
        is_timeout=timed_out,
    )
    if advised is None:
        return facts
    given = {} if advised.normalized is None else vars(advised.normalized)
    added = {name: value for name, value in given.items() if value is not None and value is not False}
    return replace(facts, **added | ({} if advised.retry_after is None else {"retry_after": advised.retry_after}))


async def _advice(call: FailedCall, error: Exception) -> ModelRetryAdvice | None:
    question = _question(call, error)
    said: Any = advice(question) if call.model is None else call.model.get_retry_advice(question)
    return await said if inspect.isawaitable(said) else said


def _question(call: FailedCall, error: Exception) -> ModelRetryAdviceRequest:
    return ModelRetryAdviceRequest(
        error=error,
        attempt=call.attempt,
        stream=call.stream,
        previous_response_id=call.previous_response_id,
        conversation_id=call.conversation_id,
    )
