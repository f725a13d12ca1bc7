"""Policies that say whether a failed model call is made again: ready-made ones, and their combinations."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from perdure.errors import UserError
from perdure.retry import RetryDecision, RetryPolicy, RetryPolicyContext


@dataclass
class _Veto(RetryDecision):
    """A provider's no, which no other policy outvotes."""


async def decide(policy: RetryPolicy, context: RetryPolicyContext) -> RetryDecision:
    """What a policy, sync or async, decides.

    Raises:
        UserError: It returned neither a bool nor a `RetryDecision`.
    """
    said: Any = policy(context)
    if inspect.isawaitable(said):
        said = await said
    if not isinstance(said, bool | RetryDecision):
        raise UserError(f"A retry policy returned {said!r}; it must return a bool or a RetryDecision.")
    return RetryDecision(said) if isinstance(said, bool) else said


class RetryPolicies:
    """The ready-made policies, as `retry_policies`."""

    def never(self) -> RetryPolicy:
        """Says no."""
        return lambda _: False

    def provider_suggested(self) -> RetryPolicy:
        """Does what the model advises."""
        return _as_advised

    def network_error(self) -> RetryPolicy:
        """Says yes where no answer arrived."""
        return lambda context: context.normalized.is_network_error or context.normalized.is_timeout

    def retry_after(self) -> RetryPolicy:
        """Says yes where the provider named a time to wait."""
        return _after_the_named_time

    def http_status(self, statuses: Iterable[int]) -> RetryPolicy:
        """Says yes to these HTTP statuses."""
        wanted = frozenset(statuses)
        return lambda context: context.normalized.status_code in wanted

    def any(self, *policies: RetryPolicy) -> RetryPolicy:
        """Says yes if one of the policies does and none of them passes on the provider's veto."""

        async def decide_any(context: RetryPolicyContext) -> RetryDecision:
            return _merged([await decide(policy, context) for policy in policies], builtins.any)

        return decide_any

    def all(self, *policies: RetryPolicy) -> RetryPolicy:
        """Says yes if each of the policies does, and there is one."""

        async def decide_all(context: RetryPolicyContext) -> RetryDecision:
            return _merged([await decide(policy, context) for policy in policies], builtins.all)

        return decide_all


retry_policies = RetryPolicies()


def _merged(decisions: list[RetryDecision], yes: Callable[[Iterable[bool]], bool]) -> RetryDecision:
    veto = next((decision for decision in decisions if isinstance(decision, _Veto)), None)
    if veto is not None:
        return veto
    if not decisions or not yes(decision.retry for decision in decisions):
        return RetryDecision(False, reason=_last("reason", [one for one in decisions if not one.retry]))
    agreeing = [decision for decision in decisions if decision.retry]
    approved = builtins.any(decision.approve_unsafe_replay for decision in agreeing)
    return RetryDecision(True, _last("delay", agreeing), _last("reason", agreeing), approved)


def _last(name: str, decisions: list[RetryDecision]) -> Any:
    return next((value for one in reversed(decisions) if (value := getattr(one, name)) is not None), None)


def _as_advised(context: RetryPolicyContext) -> bool | RetryDecision:
    advice = context.provider_advice
    if advice is None or advice.suggested is None:
        return False
    return (
        RetryDecision(True, advice.retry_after, advice.reason)
        if advice.suggested
        else _Veto(False, None, advice.reason)
    )


def _after_the_named_time(context: RetryPolicyContext) -> bool | RetryDecision:
    seconds = context.normalized.retry_after
    if seconds is None and context.provider_advice is not None:
        seconds = context.provider_advice.retry_after
    return False if seconds is None else RetryDecision(True, seconds)
