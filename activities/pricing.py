"""What a model's answer cost, found in the step that got it: so it is recorded once, with the prices of that day.

An answer that was paid for is never lost over its price: what goes wrong here is said once, and the cost is unknown.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

from perdure.model import ModelAnswer
from perdure.prices import PaidRequest, Price, is_priced, sources
from perdure.usage import Usage, money

_log = logging.getLogger("perdure")
_SECONDS = 5.0  # for a function of the user's, while a paid answer waits
_MOST_SAID = 100  # a provider may name its models anew for ever
_said: set[str] = set()


async def priced(answer: ModelAnswer, model: str) -> ModelAnswer:
    """The answer with what it cost, if that is known: as the model itself has it, else by the prices of this process.

    Args:
        answer: What came back; not changed.
        model: Who was asked, as the agent names it.
    """
    usage = _own(answer.usage)
    cost = money(usage.priced_usd) if usage.priced_requests else None
    if cost is None and is_priced():
        cost = await _cost(PaidRequest(model, answer.model, usage, answer.raw_usage))
    usage.priced_requests, usage.priced_usd = (0, 0.0) if cost is None else (max(usage.requests, 1), cost)
    return replace(answer, usage=usage)


def _own(usage: Usage) -> Usage:
    """A copy: a model may hand out the same object again, or one of the Agents SDK's."""
    return Usage(
        requests=usage.requests,
        input_tokens=usage.input_tokens,
        input_tokens_details=usage.input_tokens_details,
        output_tokens=usage.output_tokens,
        output_tokens_details=usage.output_tokens_details,
        total_tokens=usage.total_tokens,
        request_usage_entries=list(usage.request_usage_entries),
        priced_requests=getattr(usage, "priced_requests", 0),
        priced_usd=getattr(usage, "priced_usd", 0.0),
    )


async def _cost(request: PaidRequest) -> float | None:
    try:
        # In a thread: tables are files, and a function of the user's may do anything.
        return await asyncio.wait_for(asyncio.to_thread(_told, request), _SECONDS)
    except Exception as error:  # noqa: BLE001  the user's own function
        what = f"no answer in {_SECONDS:g} s" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
        _say(f"What models cost cannot be told: {what}")
        return None


def _told(request: PaidRequest) -> float | None:
    for source in sources():
        told: Any = source(request)
        if told is None:
            continue
        cost = told.of(request.usage) if isinstance(told, Price) else money(told)
        if cost is None and not isinstance(told, Price):
            _say(f"The cost of an answer of {request.model!r} is given as {told!r:.100}, which is no amount of dollars")
        return cost
    _say(f"No price is known for model {request.answered_by or request.model!r}: what it costs is unknown")
    return None


def _say(text: str) -> None:
    if text not in _said and len(_said) < _MOST_SAID:
        _said.add(text)
        _log.warning("%s; docs/costs.md says where prices come from.", text)
