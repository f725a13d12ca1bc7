"""How far a run has come, as its outcome or its status tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from perdure.contracts.messages import StatusView
from perdure.contracts.run import ResponseView, RunOutcome
from perdure.contracts.tokens import RequestTokens, Tokens, request_tokens, request_usage
from perdure.contracts.told import GuardrailView, InputView, KeptView
from perdure.usage import Usage


def requests_of(responses: list[ResponseView]) -> list[RequestTokens]:
    """Tokens of the model calls that brought these answers, failed attempts among them."""
    used = [response.usage.usage_of_answer().request_usage_entries for response in responses]
    return [request_tokens(each) for entries in used for each in entries]


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of a run beside what was said.

    Attributes:
        agent: The key of the active agent.
        requests: Tokens of each model call; `None`: those of the answers that were read.
        shown_epoch: Which transcript the model gets; other than the record's where a handoff edited it.
        kept: What the provider keeps of the conversation.
        omits_reasoning_ids: Whether requests leave the ids of reasoning items out.
        inputs: What was sent to the run and has not come to its model.
        settings: What of the run's settings is not as by default.
    """

    agent: str
    turn: int
    usage: Tokens
    requests: list[RequestTokens] | None
    context: dict[str, Any] | None
    input_is_text: bool
    guardrails: list[GuardrailView]
    shown_epoch: int
    kept: KeptView | None = None
    omits_reasoning_ids: bool = False
    inputs: list[InputView] = field(default_factory=list[InputView])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])

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
            kept=outcome.kept,
            omits_reasoning_ids=outcome.omits_reasoning_ids,
            inputs=outcome.inputs,
            settings=outcome.settings,
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
            kept=status.kept,
            omits_reasoning_ids=status.omits_reasoning_ids,
            inputs=status.inputs,
            settings=status.settings,
        )

    def entries(self, responses: list[ResponseView]) -> list[RequestTokens]:
        """Tokens of each model call."""
        return requests_of(responses) if self.requests is None else self.requests

    def total(self, responses: list[ResponseView]) -> Usage:
        """The usage, with an entry for each model call that reported tokens, and of zero for each failed attempt."""
        total = self.usage.usage()
        total.request_usage_entries = [request_usage(each) for each in self.entries(responses)]
        return total
