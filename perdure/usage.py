"""What a run has used of its models: requests and tokens, and what they cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

_PLACES = 9  # of a dollar: less than a token costs anywhere, and a float has them up to a million dollars
_MOST_USD = 1e12


def money(value: Any) -> float | None:
    """An amount in US dollars; `None` for whatever is none: text, less than nothing, no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return round(float(value), _PLACES) if math.isfinite(value) and 0 <= value <= _MOST_USD else None


@dataclass
class InputTokensDetails:
    """A closer look at input tokens."""

    cached_tokens: int = 0


@dataclass
class OutputTokensDetails:
    """A closer look at output tokens."""

    reasoning_tokens: int = 0


@dataclass
class RequestUsage:
    """The tokens of one request."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: InputTokensDetails = field(default_factory=InputTokensDetails)
    output_tokens_details: OutputTokensDetails = field(default_factory=OutputTokensDetails)


@dataclass
class Usage:
    """Requests and tokens, summed over a run.

    Attributes:
        request_usage_entries: Each request that reported tokens.
        priced_requests: How many of the requests have a known cost; `priced_usd`: what these cost, in US dollars.
    """

    requests: int = 0
    input_tokens: int = 0
    input_tokens_details: InputTokensDetails = field(default_factory=InputTokensDetails)
    output_tokens: int = 0
    output_tokens_details: OutputTokensDetails = field(default_factory=OutputTokensDetails)
    total_tokens: int = 0
    request_usage_entries: list[RequestUsage] = field(default_factory=list[RequestUsage])
    priced_requests: int = 0
    priced_usd: float = 0.0

    @property
    def unpriced_requests(self) -> int:
        """How many of the requests have a cost that nobody knows."""
        return max(self.requests - self.priced_requests, 0)

    @property
    def cost_usd(self) -> float | None:
        """What all requests cost, in US dollars; `None` unless the cost of each is known."""
        return None if self.unpriced_requests else money(self.priced_usd)

    def add(self, other: Usage) -> None:
        """Adds another usage to this one, entries included."""
        self.requests += other.requests
        self.input_tokens += other.input_tokens
        self.input_tokens_details.cached_tokens += other.input_tokens_details.cached_tokens
        self.output_tokens += other.output_tokens
        self.output_tokens_details.reasoning_tokens += other.output_tokens_details.reasoning_tokens
        self.total_tokens += other.total_tokens
        self.request_usage_entries.extend(other.request_usage_entries)
        self.priced_requests += other.priced_requests
        self.priced_usd = round(self.priced_usd + other.priced_usd, _PLACES)

    def since(self, earlier: Usage) -> Usage:
        """What of this usage came after an earlier state of it."""
        cached = self.input_tokens_details.cached_tokens - earlier.input_tokens_details.cached_tokens
        reasoning = self.output_tokens_details.reasoning_tokens - earlier.output_tokens_details.reasoning_tokens
        return Usage(
            requests=self.requests - earlier.requests,
            input_tokens=self.input_tokens - earlier.input_tokens,
            input_tokens_details=InputTokensDetails(cached),
            output_tokens=self.output_tokens - earlier.output_tokens,
            output_tokens_details=OutputTokensDetails(reasoning),
            total_tokens=self.total_tokens - earlier.total_tokens,
            request_usage_entries=self.request_usage_entries[len(earlier.request_usage_entries) :],
            priced_requests=self.priced_requests - earlier.priced_requests,
            priced_usd=max(round(self.priced_usd - earlier.priced_usd, _PLACES), 0.0),
        )

    @classmethod
    def of_request(
        cls, input_tokens: int, output_tokens: int, *, cached_tokens: int = 0, reasoning_tokens: int = 0, other: int = 0
    ) -> Usage:
        """The usage of one request; a request that reports no tokens adds no entry.

        Args:
            input_tokens: What the model read.
            output_tokens: What it wrote.
            cached_tokens: Of the input.
            reasoning_tokens: Of the output.
            other: What the provider's own total counts beside input and output.
        """
        total = input_tokens + output_tokens + other
        cached, reasoning = InputTokensDetails(cached_tokens), OutputTokensDetails(reasoning_tokens)
        entry = RequestUsage(input_tokens, output_tokens, total, cached, reasoning)
        return cls(
            requests=1,
            input_tokens=input_tokens,
            input_tokens_details=InputTokensDetails(cached_tokens),
            output_tokens=output_tokens,
            output_tokens_details=OutputTokensDetails(reasoning_tokens),
            total_tokens=total,
            request_usage_entries=[entry] if total else [],
        )


def cost_in_words(usage: Usage) -> str:
    """What requests cost, and what of that is not known: `$0.0123`, `at least $1.20 (2 requests without a price)`."""
    unpriced = usage.unpriced_requests
    if not unpriced:
        return dollars(usage.priced_usd)
    if not usage.priced_requests:
        return "cost unknown"
    return f"at least {dollars(usage.priced_usd)} ({unpriced} request{'' if unpriced == 1 else 's'} without a price)"


def dollars(usd: float) -> str:
    """An amount as people write it: cents, and of less than a dollar as much as says something."""
    if usd >= 1 or not usd:
        return f"${usd:,.2f}"
    text = f"{usd:.6f}".rstrip("0")
    return "less than $0.000001" if text == "0." else f"${text.ljust(4, '0')}"
