"""What is sent to a model beside the conversation."""

from __future__ import annotations

import copy
import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from perdure.canonical import encode
from perdure.errors import UserError
from perdure.retry import ModelRetrySettings

if TYPE_CHECKING:
    from openai.types.responses.response_create_params import ContextManagement, PromptCacheOptions
    from openai.types.shared import Reasoning


@dataclass
class MCPToolChoice:
    """The choice of one tool of a hosted MCP server."""

    server_label: str
    name: str


ToolChoice: TypeAlias = str | MCPToolChoice | dict[str, Any]


@dataclass
class ModelSettings:
    """What is sent to the model beside the conversation; `None` leaves the provider's default.

    The names are those of the Agents SDK. `resolve` lays another set over this one.

    Attributes:
        tool_choice: `"auto"`, `"required"`, `"none"`, a tool's name, an `MCPToolChoice`, or the API's own form.
        reasoning: An object of openai's `Reasoning`, or its fields.
        retry: How often a failed call is made again; `None`: up to ten attempts, if the failure may pass.
        timeout: Seconds that one attempt may take, above 0.
    """

    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    truncation: Literal["auto", "disabled"] | None = None
    max_tokens: int | None = None
    reasoning: Reasoning | dict[str, Any] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    include_usage: bool | None = None
    response_include: list[str] | None = None
    top_logprobs: int | None = None
    extra_query: dict[str, Any] | None = None
    extra_body: dict[str, Any] | None = None
    extra_headers: dict[str, str] | None = None
    extra_args: dict[str, Any] | None = None
    retry: ModelRetrySettings | None = None
    context_management: list[ContextManagement] | list[dict[str, Any]] | None = None
    prompt_cache_options: PromptCacheOptions | dict[str, Any] | None = None
    preserve_raw_usage: bool | None = None
    timeout: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.retry, dict):
            self.retry = ModelRetrySettings.of(cast("dict[str, Any]", self.retry))
        if self.timeout is not None and not 0 < self.timeout < math.inf:
            raise UserError(f"The model settings' timeout is {self.timeout!r}; it must be seconds above 0.")

    def resolve(self, override: ModelSettings | None) -> ModelSettings:
        """These settings with every value of `override` that is not `None`.

        `extra_args` merge key by key, `retry` field by field.
        """
        if override is None:
            return self
        changes = {name: value for name, value in vars(override).items() if value is not None}
        if self.extra_args and override.extra_args:
            changes["extra_args"] = {**self.extra_args, **override.extra_args}
        if self.retry is not None and override.retry is not None:
            changes["retry"] = self.retry.resolve(override.retry)
        return dataclasses.replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """The values that are set, as JSON: of `retry` its numbers, of openai's objects their fields."""
        return {name: _plain(value) for name, value in vars(self).items() if value is not None}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ModelSettings:
        """The settings that `to_json` wrote; names that this version does not know are left out."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    @classmethod
    def of(cls, value: ModelSettings | dict[str, Any]) -> ModelSettings:
        """These settings, or those that a mapping of the same names holds.

        Raises:
            TypeError: A name is no setting.
        """
        if isinstance(value, ModelSettings):
            return value
        unknown = sorted(set(value) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise TypeError(f"Unknown model settings: {', '.join(unknown)}; take them out or correct the names.")
        return cls(**value)


def as_fixed(live: ModelSettings, fixed: dict[str, Any]) -> ModelSettings:
    """The settings as a model of the user's own is given them: a copy of the program's, if a run fixed the same.

    Args:
        live: The program's settings.
        fixed: Those of the run, as `to_json` wrote them. Where they are others, they are made of these.
    """
    if encode(live.to_json()) == encode(fixed):
        return copy.copy(live)
    made = ModelSettings.from_json(fixed)
    choice = made.tool_choice
    if isinstance(choice, dict) and choice.keys() == {field.name for field in dataclasses.fields(MCPToolChoice)}:
        made.tool_choice = MCPToolChoice(**choice)
    if isinstance(made.reasoning, dict):
        from openai.types.shared import Reasoning  # takes its time

        made.reasoning = Reasoning.model_validate(made.reasoning)
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, ModelRetrySettings):
        return value.to_json()
    if isinstance(value, MCPToolChoice):
        return dataclasses.asdict(value)
    return value.model_dump(exclude_unset=True, mode="json") if hasattr(value, "model_dump") else value
