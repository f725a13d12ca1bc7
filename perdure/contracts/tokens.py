"""Requests, tokens and what they cost, as they travel."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field

from perdure.definition import Frozen
from perdure.usage import InputTokensDetails, OutputTokensDetails, RequestUsage, Usage, money

Count: TypeAlias = Annotated[int, Field(ge=-(2**63), lt=2**63)]  # a model may count anything; what else could travel?
Dollars: TypeAlias = Annotated[float | None, BeforeValidator(money)]  # what is no amount is no cost that is known
RequestTokens: TypeAlias = tuple[int, ...]  # input, output, cached, reasoning, and, if there are any, other tokens


def request_tokens(usage: RequestUsage) -> RequestTokens:
    """The tokens of one request as they travel."""
    cached, reasoning = usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens
    other = usage.total_tokens - usage.input_tokens - usage.output_tokens
    return (usage.input_tokens, usage.output_tokens, cached, reasoning, *([other] if other else []))


def request_usage(tokens: RequestTokens) -> RequestUsage:
    """The usage of one request that came as tokens."""
    read, written, cached, reasoning, *other = tokens
    total = read + written + sum(other)
    return RequestUsage(read, written, total, InputTokensDetails(cached), OutputTokensDetails(reasoning))


class Tokens(Frozen):
    """Requests, tokens and their cost.

    Attributes:
        other: Tokens that a provider counts beside input and output.
        usd: What the requests cost in US dollars, but for `unpriced` of them; `None` where no request has a price.
    """

    requests: Count = 0
    input: Count = 0
    output: Count = 0
    cached: Count = 0
    reasoning: Count = 0
    other: Count = 0
    usd: Dollars = None
    unpriced: Count = 0

    @classmethod
    def of(cls, usage: Usage) -> Tokens:
        """The totals of a usage, zeros left out."""
        values = {
            "requests": usage.requests,
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "cached": usage.input_tokens_details.cached_tokens,
            "reasoning": usage.output_tokens_details.reasoning_tokens,
            "other": usage.total_tokens - usage.input_tokens - usage.output_tokens,
        }
        told: dict[str, Any] = {name: value for name, value in values.items() if value}
        if usage.priced_requests:
            told["usd"] = usage.priced_usd
            told |= {"unpriced": usage.unpriced_requests} if usage.unpriced_requests else {}
        return cls(**told)

    def usage(self) -> Usage:
        """The same as a usage; that of one request has its entry."""
        if self.requests == 1:
            return self._priced(self._of_one())
        return self._priced(self._of_many())

    def _of_many(self) -> Usage:
        return Usage(
            requests=self.requests,
            input_tokens=self.input,
            input_tokens_details=InputTokensDetails(self.cached),
            output_tokens=self.output,
            output_tokens_details=OutputTokensDetails(self.reasoning),
            total_tokens=self.input + self.output + self.other,
        )

    def _of_one(self) -> Usage:
        return Usage.of_request(
            self.input, self.output, cached_tokens=self.cached, reasoning_tokens=self.reasoning, other=self.other
        )

    def _priced(self, usage: Usage) -> Usage:
        if self.usd is not None:
            usage.priced_requests, usage.priced_usd = max(self.requests - self.unpriced, 0), self.usd
        return usage

    def usage_of_answer(self) -> Usage:
        """The same as the usage of one answer: an entry for it, after one of zero for each attempt that failed."""
        usage = self.usage()
        if self.requests > 1:
            failed = [RequestUsage(0, 0, 0) for _ in range(self.requests - 1)]
            usage.request_usage_entries = failed + self._of_one().request_usage_entries
        return usage
