"""What a run has used of its models: requests and tokens."""

from __future__ import annotations

from dataclasses import dataclass, field


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
    """Requests and tokens, summed over a run; `request_usage_entries` keeps each request that reported tokens."""

    requests: int = 0
    input_tokens: int = 0
    input_tokens_details: InputTokensDetails = field(default_factory=InputTokensDetails)
    output_tokens: int = 0
    output_tokens_details: OutputTokensDetails = field(default_factory=OutputTokensDetails)
    total_tokens: int = 0
    request_usage_entries: list[RequestUsage] = field(default_factory=list[RequestUsage])

    def add(self, other: Usage) -> None:
        """Adds another usage to this one, entries included."""
        self.requests += other.requests
        self.input_tokens += other.input_tokens
        self.input_tokens_details.cached_tokens += other.input_tokens_details.cached_tokens
        self.output_tokens += other.output_tokens
        self.output_tokens_details.reasoning_tokens += other.output_tokens_details.reasoning_tokens
        self.total_tokens += other.total_tokens
        self.request_usage_entries.extend(other.request_usage_entries)

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
