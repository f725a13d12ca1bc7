"""Settings of a model call and of a run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from perdure.errors import UserError
from perdure.model import Model

DEFAULT_MAX_TURNS = 10
LONGEST_APPROVAL_SECONDS = 10 * 365 * 24 * 3600.0


@dataclass
class ModelSettings:
    """What is sent to the model beside the conversation; `None` leaves the provider's default.

    The names are those of the Agents SDK. `resolve` lays another set over this one.
    """

    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    truncation: str | None = None
    max_tokens: int | None = None
    reasoning: Any | None = None
    verbosity: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    prompt_cache_retention: str | None = None
    include_usage: bool | None = None
    response_include: list[str] | None = None
    top_logprobs: int | None = None
    extra_query: dict[str, Any] | None = None
    extra_body: dict[str, Any] | None = None
    extra_headers: dict[str, str] | None = None
    extra_args: dict[str, Any] | None = None

    def resolve(self, override: ModelSettings | None) -> ModelSettings:
        """These settings with every value of `override` that is not `None`; `extra_args` merge key by key."""
        if override is None:
            return self
        changes = {name: value for name, value in vars(override).items() if value is not None}
        if self.extra_args and override.extra_args:
            changes["extra_args"] = {**self.extra_args, **override.extra_args}
        return dataclasses.replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """The values that are set, as JSON; a `reasoning` object of the openai package becomes its fields."""
        values = {name: value for name, value in vars(self).items() if value is not None}
        reasoning = values.get("reasoning")
        if reasoning is not None and not isinstance(reasoning, dict):
            values["reasoning"] = reasoning.model_dump(exclude_unset=True, mode="json")
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ModelSettings:
        """The settings that `to_json` wrote; names that this version does not know are left out."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


@dataclass
class RunConfig:
    """Settings of one run that hold for all its agents.

    Attributes:
        model: A model's name or object that replaces every agent's model.
        model_settings: Laid over every agent's settings.
        workflow_name: The run's title in the Temporal UI and in traces.
        group_id: Links runs that belong together, as those of one chat.
        trace_metadata: Shown with the run.
        tool_output_format: How a tool's result that is not a string reaches the model: `"json"`, or `"str"` for
            Python's text of it, as the Agents SDK does.
        approval_timeout_seconds: How long a call waits for a decision before it counts as rejected; 30 days.
    """

    model: str | Model | None = None
    model_settings: ModelSettings | None = None
    workflow_name: str = "Agent workflow"
    group_id: str | None = None
    trace_metadata: dict[str, Any] | None = None
    tool_output_format: str = "json"
    approval_timeout_seconds: float = 30 * 24 * 3600

    def __post_init__(self) -> None:
        if self.tool_output_format not in ("json", "str"):
            raise UserError(f'tool_output_format is {self.tool_output_format!r}; it must be "json" or "str".')
        if not 0 < self.approval_timeout_seconds <= LONGEST_APPROVAL_SECONDS:
            raise UserError(
                f"approval_timeout_seconds is {self.approval_timeout_seconds}; it must be above 0 and at most "
                f"{LONGEST_APPROVAL_SECONDS:g} (ten years)."
            )
