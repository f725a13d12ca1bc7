"""How far a run has come, as its outcome or its status tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from perdure.contracts.messages import StatusView
from perdure.contracts.run import GuardrailView, ResponseView, RunOutcome, Tokens
from perdure.usage import InputTokensDetails, OutputTokensDetails, RequestUsage, Usage


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of a run beside what was said.

    Attributes:
        agent: The key of the active agent.
        requests: Tokens of each model call; `None`: those of the answers that were read.
        shown_epoch: Which transcript the model gets; other than the record's where a handoff edited it.
    """

    agent: str
    turn: int
    usage: Tokens
    requests: list[tuple[int, int, int, int]] | None
    context: dict[str, Any] | None
    input_is_text: bool
    guardrails: list[GuardrailView]
    shown_epoch: int

    @classmethod
    def of_outcome(cls, outcome: RunOutcome) -> Progress:
        """Of a run that has ended."""
        return cls(
            agent=outcome.agent,
            turn=outcome.turns,
            usage=outcome.usage,
            requests=outcome.requests,
            context=outcome.context,
            input_is_text=outcome.input_is_text,
            guardrails=outcome.guardrails,
            shown_epoch=outcome.shown_epoch,
        )

    @classmethod
    def of_status(cls, status: StatusView) -> Progress:
        """Of a run under way."""
        return cls(
            agent=status.agent,
            turn=status.turn,
            usage=status.usage,
            requests=status.requests,
            context=status.context,
            input_is_text=status.input_is_text,
            guardrails=status.guardrails,
            shown_epoch=status.shown_epoch,
        )

    def entries(self, responses: list[ResponseView]) -> list[tuple[int, int, int, int]]:
        """Tokens of each model call: input, output, cached, reasoning."""
        if self.requests is not None:
            return self.requests
        used = [response.usage for response in responses]
        return [(each.input, each.output, each.cached, each.reasoning) for each in used]

    def total(self, responses: list[ResponseView]) -> Usage:
        """The usage, with an entry for each model call that reported tokens."""
        total = self.usage.usage()
        total.request_usage_entries = [_entry(*each) for each in self.entries(responses) if any(each)]
        return total


def _entry(read: int, written: int, cached: int, reasoning: int) -> RequestUsage:
    return RequestUsage(read, written, read + written, InputTokensDetails(cached), OutputTokensDetails(reasoning))
