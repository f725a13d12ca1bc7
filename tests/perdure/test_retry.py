"""Retry settings and policies decide as those of the Agents SDK."""

from __future__ import annotations

import inspect
from typing import Any

import agents
import agents.retry as theirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import perdure.retry as ours
from perdure.errors import UserError
from perdure.retry import ModelRetrySettings, temporal_numbers
from perdure.retry_policies import decide, retry_policies

FAILURES: dict[str, dict[str, Any]] = {
    "nothing known": {},
    "network": {"is_network_error": True},
    "timeout": {"is_timeout": True},
    "429": {"status_code": 429},
    "503 and a time": {"status_code": 503, "retry_after": 2.0},
    "no time to wait": {"retry_after": 0.0},
}
ADVICE: dict[str, dict[str, Any] | None] = {
    "none": None,
    "suggested": {"suggested": True},
    "suggested later": {"suggested": True, "retry_after": 3.0, "reason": "busy"},
    "vetoed": {"suggested": False},
    "a time": {"retry_after": 4.0},
}


def policies(module: Any, decision: Any) -> dict[str, Any]:
    ready = module
    return {
        "never": ready.never(),
        "provider": ready.provider_suggested(),
        "network": ready.network_error(),
        "time": ready.retry_after(),
        "status": ready.http_status([429]),
        "any of none": ready.any(),
        "all of none": ready.all(),
        "any": ready.any(ready.network_error(), ready.provider_suggested(), ready.retry_after()),
        "any, the user last": ready.any(ready.provider_suggested(), lambda _: True),
        "all": ready.all(ready.http_status([429, 503]), ready.retry_after()),
        "the last delay": ready.any(lambda _: decision(True, 1.0, "a"), lambda _: decision(True, 5.0, "b")),
        "all delays": ready.all(lambda _: decision(True, 1.0, "a"), lambda _: True),
        "approved": ready.all(lambda _: decision(True, approve_unsafe_replay=True), lambda _: True),
    }


OURS = policies(retry_policies, ours.RetryDecision)
THEIRS = policies(agents.retry_policies, theirs.RetryDecision)


def context(module: Any, failure: str, advice: str) -> Any:
    given_advice = ADVICE[advice]
    return module.RetryPolicyContext(
        error=ValueError("x"),
        attempt=1,
        max_retries=3,
        stream=False,
        normalized=module.ModelRetryNormalizedError(**FAILURES[failure]),
        provider_advice=None if given_advice is None else module.ModelRetryAdvice(**given_advice),
    )


@pytest.mark.parametrize("advice", ADVICE)
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", OURS)
async def test_a_policy_decides_as_in_the_agents_sdk(name: str, failure: str, advice: str) -> None:
    said = THEIRS[name](context(theirs, failure, advice))
    if inspect.isawaitable(said):
        said = await said
    wanted = theirs.RetryDecision(said) if isinstance(said, bool) else said
    decided = await decide(OURS[name], context(ours, failure, advice))
    assert (decided.retry, decided.approve_unsafe_replay) == (wanted.retry, wanted.approve_unsafe_replay)
    if wanted.retry:
        assert (decided.delay, decided.reason) == (wanted.delay, wanted.reason)


async def test_a_policy_must_return_a_bool_or_a_decision() -> None:
    with pytest.raises(UserError, match="must return a bool or a RetryDecision"):
        await decide(lambda _: "yes", context(ours, "429", "none"))  # pyright: ignore[reportArgumentType, reportReturnType]  that is the case


@pytest.mark.parametrize("values", [{"max_retries": 1.5}, {"backoff": {"initial_delay": -1}}])
def test_settings_that_mean_nothing_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="must be"):
        ModelRetrySettings(**values)


def test_a_call_without_settings_is_made_up_to_ten_times() -> None:
    wanted = {"attempts": 10, "initial_seconds": 1.0, "multiplier": 2.0, "longest_seconds": 60.0}
    assert temporal_numbers(None) == wanted


def test_settings_wait_as_in_the_agents_sdk() -> None:
    wanted = {"attempts": 21, "initial_seconds": 0.25, "multiplier": 2.0, "longest_seconds": 2.0}
    assert temporal_numbers(ModelRetrySettings(max_retries=20)) == wanted


def test_attempts_are_left_for_workers_that_die() -> None:
    assert temporal_numbers(ModelRetrySettings(max_retries=0))["attempts"] == 10


_DELAY = st.none() | st.floats(0, 1e6)


@given(st.none() | st.integers(-5, 100), _DELAY, _DELAY, _DELAY)
def test_temporal_takes_the_numbers(limit: int | None, initial: float, longest: float, factor: float) -> None:
    backoff = {"initial_delay": initial, "max_delay": longest, "multiplier": factor}
    numbers = temporal_numbers({"max_retries": limit, "backoff": backoff})
    assert numbers["attempts"] >= 10
    assert 0.001 <= numbers["initial_seconds"] <= numbers["longest_seconds"]
    assert numbers["multiplier"] >= 1
