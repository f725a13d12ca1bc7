"""Model calls that are made again: policies, limits, waits, and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.conformance.answers import Failure, call, said
from tests.conformance.registry import scenario

MakePolicy = Callable[[Any], Any]


def _retry(sdk: Any, policy: Any, **more: Any) -> Any:
    backoff = sdk.ModelRetryBackoffSettings(initial_delay=0.01, jitter=False)
    return sdk.ModelRetrySettings(**{"max_retries": 2, "backoff": backoff, "policy": policy, **more})


async def _ask(sdk: Any, bench: Any, retry: Any, *answers: Any, **options: Any) -> Any:
    bench.script(*answers)
    return await bench.run(bench.agent(model_settings=sdk.ModelSettings(retry=retry)), **options)


POLICIES: dict[str, tuple[MakePolicy, Failure, bool]] = {
    "as the provider suggests": (lambda sdk: sdk.retry_policies.provider_suggested(), Failure(503), True),
    "as the provider does not suggest": (lambda sdk: sdk.retry_policies.provider_suggested(), Failure(400), False),
    "as the provider says in a header": (
        lambda sdk: sdk.retry_policies.provider_suggested(), Failure(400, headers=(("x-should-retry", "true"),)), True
    ),
    "as the provider forbids in a header": (
        lambda sdk: sdk.retry_policies.provider_suggested(), Failure(503, headers=(("x-should-retry", "false"),)), False
    ),
    "by status, which the provider forbids": (
        lambda sdk: sdk.retry_policies.http_status([503]), Failure(503, headers=(("x-should-retry", "false"),)), True
    ),
    "by a status that cannot pass by itself": (lambda sdk: sdk.retry_policies.http_status([400]), Failure(400), True),
    "after a time in milliseconds": (
        lambda sdk: sdk.retry_policies.retry_after(), Failure(429, headers=(("retry-after-ms", "10"),)), True
    ),
    "after no time that was named": (lambda sdk: sdk.retry_policies.retry_after(), Failure(429), False),
    "after a time of zero": (
        lambda sdk: sdk.retry_policies.retry_after(), Failure(429, headers=(("retry-after", "0"),)), True
    ),
    "for network errors alone": (lambda sdk: sdk.retry_policies.network_error(), Failure(503), False),
    "never": (lambda sdk: sdk.retry_policies.never(), Failure(503), False),
    "by any of two": (
        lambda sdk: sdk.retry_policies.any(sdk.retry_policies.never(), sdk.retry_policies.http_status([503])),
        Failure(503), True,
    ),
    "by all of two": (
        lambda sdk: sdk.retry_policies.all(sdk.retry_policies.never(), sdk.retry_policies.http_status([503])),
        Failure(503), False,
    ),
}  # fmt: skip


def _register(name: str, policy: MakePolicy, failure: Failure, again: bool) -> None:
    @scenario(f"a model call is made again {name}", 169, 171, requests=2 if again else 1)
    async def asked(sdk: Any, bench: Any) -> Any:
        try:
            return await _ask(sdk, bench, _retry(sdk, policy(sdk)), failure, "ok")
        except Exception as error:  # noqa: BLE001  its class is what is compared
            return type(error).__name__


for _name, (_policy, _failure, _again) in POLICIES.items():
    _register(_name, _policy, _failure, _again)


@scenario("a limit of no repetitions", 169, raises="InternalServerError", requests=1)
async def no_repetitions(sdk: Any, bench: Any) -> Any:
    retry = _retry(sdk, sdk.retry_policies.http_status([503]), max_retries=0)
    return await _ask(sdk, bench, retry, Failure(503), "never")


@scenario("a retry policy that raises", 169, raises="ZeroDivisionError", requests=1)
async def policy_raises(sdk: Any, bench: Any) -> Any:
    def policy(context: Any) -> bool:
        raise ZeroDivisionError("no policy")

    return await _ask(sdk, bench, _retry(sdk, policy), Failure(503), "never")


@scenario("what retry policies are told", 169, 171, requests=4)
async def told(sdk: Any, bench: Any) -> Any:
    def policy(context: Any) -> bool:
        facts, advice = context.normalized, context.provider_advice
        bench.log(context.attempt, context.max_retries, context.stream, facts.status_code, facts.error_code)
        bench.log(facts.is_network_error, facts.is_timeout, facts.retry_after, facts.request_id)
        bench.log(type(context.error).__name__, advice.suggested, advice.replay_safety)
        return True

    policies = sdk.retry_policies
    retry = _retry(sdk, policies.all(policy, policies.http_status([503, 429, 500])), max_retries=4)
    late = Failure(429, headers=(("retry-after-ms", "20"),))
    return await _ask(sdk, bench, retry, Failure(503), late, Failure(500), "ok")


@scenario("retry settings of the run over those of the agent", 160, 169, raises="InternalServerError", requests=2)
async def merged(sdk: Any, bench: Any) -> Any:
    bench.script(Failure(503), Failure(503), "never")
    retry = _retry(sdk, sdk.retry_policies.http_status([503]), max_retries=5)
    agent = bench.agent(model_settings=sdk.ModelSettings(retry=retry))
    of_run = sdk.ModelSettings(retry=sdk.ModelRetrySettings(max_retries=1))
    return await bench.run(agent, config={"model_settings": of_run})


@scenario("waits of the run over those of the agent", 160, 169, final="ok", requests=2)
async def merged_waits(sdk: Any, bench: Any) -> Any:
    bench.script(Failure(503), "ok")
    agent = bench.agent(model_settings=sdk.ModelSettings(retry=sdk.ModelRetrySettings(backoff={"initial_delay": 0.01})))
    retry = {"max_retries": 1, "policy": sdk.retry_policies.http_status([503]), "backoff": {"max_delay": 0.02}}
    return await bench.run(agent, config={"model_settings": sdk.ModelSettings(retry=retry)})


@scenario("a refused request after another answer is not made again", 171, raises="BadRequestError", requests=1)
async def stateful(sdk: Any, bench: Any) -> Any:
    retry = _retry(sdk, lambda context: True)
    return await _ask(sdk, bench, retry, Failure(400), "never", previous_response_id="resp_0")


@scenario("a refused request after another answer that a policy approves", 171, raises="BadRequestError", requests=1)
async def stateful_approved(sdk: Any, bench: Any) -> Any:
    retry = _retry(sdk, lambda context: sdk.RetryDecision(retry=True, approve_unsafe_replay=True))
    return await _ask(sdk, bench, retry, Failure(400), "ok", previous_response_id="resp_0")


@scenario("usage over repeated calls, agents as tools and waits", 167, 168, 170, final="done", requests=8)
async def usage(sdk: Any, bench: Any) -> Any:
    answers = Failure(503), call("pay"), Failure(503), Failure(503), "inner says"
    inner = bench.agent("Inner", model=bench.lane("inner", *answers), tools=[bench.tool("pay", needs_approval=True)])
    bench.script(call("ask", input="x"), Failure(503), "done")
    agent = bench.agent(tools=[inner.as_tool("ask", "Asks.")])
    settings = sdk.ModelSettings(retry=_retry(sdk, sdk.retry_policies.http_status([503])))
    first = await bench.run(agent, config={"model_settings": settings})
    return [first, await bench.approve_all(agent, first, config={"model_settings": settings})]


@scenario("a total that counts more than input and output", 167, final="done", requests=3)
async def own_total(sdk: Any, bench: Any) -> Any:
    reported = {
        "input_tokens": 10, "output_tokens": 5, "total_tokens": 40, "input_tokens_details": {"cached_tokens": 1},
        "output_tokens_details": {"reasoning_tokens": 2},
    }  # fmt: skip
    inner = bench.agent("Inner", model=bench.lane("inner", said("x", usage=reported)))
    bench.script(said(call("ask", input="q"), usage=reported), "done")
    result = await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")]))
    bench.expect(lambda: result.context_wrapper.usage.total_tokens == 95)
    return [result, [one.usage.total_tokens for one in result.raw_responses]]
