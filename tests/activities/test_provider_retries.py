"""Whether a failed model call is made again."""

from __future__ import annotations

import inspect
import math
from typing import Any

import agents
import httpx2
import openai
import pytest
from agents.models.openai_responses import OpenAIResponsesModel

from activities.providers.failures import HollowAnswer, UnusableAnswer
from activities.providers.retries import FailedCall, advice, judge_retry
from perdure.errors import ModelTimeoutError, UserError
from perdure.model import Model
from perdure.retry import ModelRetryAdvice, ModelRetryAdviceRequest, ModelRetrySettings, RetryDecision
from perdure.retry_policies import retry_policies

REQUEST = httpx2.Request("POST", "http://x/y")
ALWAYS = ModelRetrySettings(max_retries=3, policy=lambda _: True)


def status(code: int, **headers: str) -> openai.APIStatusError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return openai.APIStatusError("no", response=httpx2.Response(code, headers=named, request=REQUEST), body=None)


UNREACHED = openai.APIConnectionError(request=REQUEST)


class Advising(Model):
    def __init__(self, said: ModelRetryAdvice) -> None:
        self.said = said

    async def get_response(self, *given: Any, **named: Any) -> Any:
        raise NotImplementedError

    async def get_retry_advice(self, request: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  may be async
        return self.said


@pytest.mark.parametrize("state", [{}, {"conversation_id": "c"}, {"previous_response_id": "r"}])
@pytest.mark.parametrize(
    "error",
    [
        status(503), status(429), status(409), status(400), status(401), status(503, x_should_retry="false"),
        status(400, x_should_retry="true"), status(429, retry_after="3"), UNREACHED,
        openai.APITimeoutError(request=REQUEST), ValueError("x"),
    ],
    ids=repr,
)  # fmt: skip
async def test_advice_is_that_of_the_agents_sdk(error: Exception, state: dict[str, str]) -> None:
    model = OpenAIResponsesModel("m", openai.AsyncOpenAI(api_key="k"))
    theirs: Any = model.get_retry_advice(agents.ModelRetryAdviceRequest(error, attempt=1, stream=False, **state))
    theirs = await theirs if inspect.isawaitable(theirs) else theirs
    ours = advice(ModelRetryAdviceRequest(error, attempt=1, stream=False, **state))
    assert (ours is None) == (theirs is None)
    for name in ("suggested", "retry_after", "replay_safety") if ours else ():
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("status_code", "retry_after", "is_network_error", "is_timeout") if ours else ():
        assert getattr(ours.normalized, name) == getattr(theirs.normalized, name), name  # pyright: ignore[reportOptionalMemberAccess]  both are there


@pytest.mark.parametrize(
    ("error", "again"), [(status(503), True), (UNREACHED, True), (UnusableAnswer("x"), True), (status(400), False)]
)
async def test_without_settings_what_may_pass_is_repeated(error: Exception, again: bool) -> None:
    assert (await judge_retry(FailedCall(error, 9), None)).again is again


async def test_a_limit_alone_bounds_what_is_repeated() -> None:
    settings = ModelRetrySettings(max_retries=1)
    assert (await judge_retry(FailedCall(status(503), 1), settings)).again
    assert not (await judge_retry(FailedCall(status(503), 2), settings)).again
    assert not (await judge_retry(FailedCall(status(400), 1), settings)).again


async def test_a_policy_may_repeat_what_would_not_be() -> None:
    assert (await judge_retry(FailedCall(ValueError("x"), 3), ALWAYS)).again
    assert not (await judge_retry(FailedCall(ValueError("x"), 4), ALWAYS)).again


async def test_a_policy_may_refuse_what_would_be() -> None:
    settings = ModelRetrySettings(max_retries=3, policy=retry_policies.never())
    assert not (await judge_retry(FailedCall(status(503), 1), settings)).again


async def test_the_decisions_wait_comes_before_the_providers_and_that_before_the_backoff() -> None:
    async def later(_: Any) -> RetryDecision:
        return RetryDecision(True, delay=7.0)

    asked = status(429, retry_after="3")
    assert (await judge_retry(FailedCall(asked, 1), ModelRetrySettings(3, policy=later))).after_seconds == 7.0
    assert (await judge_retry(FailedCall(asked, 1), ALWAYS)).after_seconds == 3.0
    assert (await judge_retry(FailedCall(status(429), 1), ALWAYS)).after_seconds is None


@pytest.mark.parametrize(("wait", "seconds"), [(math.nan, None), (math.inf, 300.0), (-5.0, 0.0)])
async def test_a_wait_that_user_code_names_is_bounded_too(wait: float, seconds: float | None) -> None:
    deciding = ModelRetrySettings(3, policy=lambda _: RetryDecision(True, delay=wait))
    assert (await judge_retry(FailedCall(status(503), 1), deciding)).after_seconds == seconds
    advising = Advising(ModelRetryAdvice(suggested=True, retry_after=wait))
    assert (await judge_retry(FailedCall(status(503), 1, advising), ALWAYS)).after_seconds == seconds


async def test_a_hollow_answer_is_repeated_once() -> None:
    assert (await judge_retry(FailedCall(HollowAnswer("x"), 4), None)).again
    assert not (await judge_retry(FailedCall(HollowAnswer("x"), 5, hollow_before=True), None)).again
    assert not (await judge_retry(FailedCall(HollowAnswer("x"), 5, hollow_before=True), ModelRetrySettings(9))).again
    assert (await judge_retry(FailedCall(UnusableAnswer("x"), 5, hollow_before=True), None)).again


async def test_a_request_whose_state_the_provider_keeps_is_repeated_where_that_is_safe() -> None:
    async def again(error: Exception, settings: ModelRetrySettings) -> bool:
        return (await judge_retry(FailedCall(error, 1, conversation_id="c"), settings)).again

    approving = ModelRetrySettings(3, policy=lambda _: RetryDecision(True, approve_unsafe_replay=True))
    assert await again(status(503), ALWAYS)  # it answered, and kept nothing
    assert not await again(UNREACHED, ALWAYS)
    assert await again(UNREACHED, approving)


async def test_the_models_veto_outranks_the_policy() -> None:
    model = Advising(ModelRetryAdvice(suggested=False))
    assert not (await judge_retry(FailedCall(status(503), 1, model), ALWAYS)).again


async def test_the_models_word_that_it_is_not_safe_needs_an_approval() -> None:
    model = Advising(ModelRetryAdvice(suggested=True, replay_safety="unsafe", retry_after=2.0))
    approving = ModelRetrySettings(3, policy=lambda _: RetryDecision(True, approve_unsafe_replay=True))
    assert not (await judge_retry(FailedCall(status(503), 1, model), ALWAYS)).again
    assert (await judge_retry(FailedCall(status(503), 1, model), approving)).after_seconds == 2.0


@pytest.mark.parametrize(("error", "again"), [(ModelTimeoutError(3.0), True), (UserError("x"), False)])
async def test_of_our_own_errors_a_timeout_may_pass(error: Exception, again: bool) -> None:
    assert (await judge_retry(FailedCall(error, 1), None)).again is again


async def test_a_conversation_that_is_locked_is_free_later() -> None:
    locked = status(400)
    locked.code = "conversation_locked"
    assert (await judge_retry(FailedCall(locked, 1), None)).again
