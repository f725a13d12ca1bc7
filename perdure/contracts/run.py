"""Client and workflow: what starts a run, what it ends with, what it answers while it runs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationError

from perdure.definition import Frozen, Snapshot
from perdure.errors import UserError
from perdure.settings import LONGEST_APPROVAL_SECONDS
from perdure.usage import InputTokensDetails, OutputTokensDetails, Usage

ENGINE = 1  # the loop's version: a run keeps the one that it was started with


class Tokens(Frozen):
    """Requests and tokens."""

    requests: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0

    @classmethod
    def of(cls, usage: Usage) -> Tokens:
        """The totals of a usage, zeros left out."""
        values = {
            "requests": usage.requests,
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "cached": usage.input_tokens_details.cached_tokens,
            "reasoning": usage.output_tokens_details.reasoning_tokens,
        }
        return cls(**{name: value for name, value in values.items() if value})

    def usage(self) -> Usage:
        """The same as a usage; that of one request has its entry."""
        if self.requests == 1:
            return Usage.of_request(self.input, self.output, cached_tokens=self.cached, reasoning_tokens=self.reasoning)
        return Usage(
            requests=self.requests,
            input_tokens=self.input,
            input_tokens_details=InputTokensDetails(self.cached),
            output_tokens=self.output,
            output_tokens_details=OutputTokensDetails(self.reasoning),
            total_tokens=self.input + self.output,
        )


class RunSettings(Frozen):
    """What of `RunConfig` travels; `model` and `model_settings` only where the client knows an agent's name alone."""

    model: str | None = None
    model_settings: dict[str, Any] = {}
    workflow_name: str = "Agent workflow"
    tool_output_format: Literal["json", "str"] = "json"
    approval_timeout_seconds: float = Field(default=30 * 24 * 3600.0, gt=0, le=LONGEST_APPROVAL_SECONDS)


class RunInput(Frozen):
    """A run's state at its start: the only argument of the workflow `AgentRun`.

    Attributes:
        agent: The agent's name.
        snapshot: The agents, where the client has them; else a worker's first step takes it.
        input: The conversation so far, in stored form.
        max_turns: `None` for no limit.
        context: The user's context as JSON, top-level fields.
    """

    engine: int = ENGINE
    agent: str
    snapshot: Snapshot | None = None
    input: list[dict[str, Any]]
    max_turns: int | None = 10
    context: dict[str, Any] | None = None
    settings: RunSettings = RunSettings()


def read_input(value: Any) -> RunInput:
    """The run's input in whatever a workflow was started with.

    Raises:
        UserError: It is none; the text says what is wrong with it.
    """
    try:
        return RunInput.model_validate(value)
    except ValidationError as error:
        raise UserError(f"AgentRun was started with an input that it cannot read: {problems_of(error)}") from None


def problems_of(error: ValidationError) -> str:
    """The first problems that a validation found, in a line."""
    found = [f"{'.'.join(map(str, each['loc'])) or 'value'}: {each['msg']}" for each in error.errors()[:3]]
    return "; ".join(found)[:300]


class PageRequest(Frozen):
    """Which items of the transcript are wanted: from (inclusive) to upto (exclusive)."""

    epoch: int = 0
    start: int = 0
    upto: int | None = None


class PageEntry(Frozen):
    """One item of the transcript: input, part of a model's answer, a tool's output, or one that is a value's JSON."""

    item: dict[str, Any]
    kind: Literal["input", "answer", "output", "value"]
    agent: str
    turn: int


class ResponseView(Frozen):
    """One accepted answer of a model: `count` items from `first` on."""

    turn: int
    agent: str
    first: int
    count: int
    usage: Tokens
    response_id: str | None = None
    request_id: str | None = None


class TranscriptPage(Frozen):
    """Some of the transcript's items; `count` and `digest` are those of the whole.

    Attributes:
        before: The chain's digest before the first entry.
    """

    first: int
    entries: list[PageEntry]
    responses: list[ResponseView]
    count: int
    before: str
    digest: str


class RunOutcome(Frozen):
    """How a run ended, or how far it came: the workflow's result, and the first detail of its failure.

    Attributes:
        final_output: The answer's text; not set if it lies in the transcript's last message.
        tail: The transcript's last items, as many as 256 KiB hold; the rest is asked for.
    """

    final_output: str | None = None
    agent: str
    turns: int
    usage: Tokens
    context: dict[str, Any] | None = None
    tail: TranscriptPage
