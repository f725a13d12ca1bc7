"""Settings of a run that hold for all its agents."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from perdure.errors import UserError
from perdure.foreign import kind_of
from perdure.limits import FEWEST_HISTORY_EVENTS, FEWEST_TOOL_OUTPUT_BYTES, HISTORY_EVENTS, MAX_ITEM_BYTES
from perdure.model import Model, ModelProvider
from perdure.model_input import CallModelInputFilter
from perdure.model_settings import ModelSettings
from perdure.models.multi_provider import MultiProvider
from perdure.session import SessionInputCallback, SessionSettings
from perdure.tool_errors import ToolErrorFormatter

if TYPE_CHECKING:
    from perdure.guardrail import InputGuardrail, OutputGuardrail
    from perdure.handoff import HandoffHistoryMapper, HandoffInputFilter

DEFAULT_MAX_TURNS = 10
LONGEST_APPROVAL_SECONDS = 10 * 365 * 24 * 3600.0

# The Agents SDK's variable; unlike there, without it nothing that was said leaves with the spans.
_SENSITIVE_DATA_VARIABLE = "OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA"
_NOT_YET = ("output_guardrail_blocked_message", "sandbox")

ToolNotFoundBehavior: TypeAlias = Literal["raise_error", "return_error_to_model"]
ToolNameCollisionPolicy: TypeAlias = Literal["warn", "error"]
ReasoningItemIdPolicy: TypeAlias = Literal["preserve", "omit"]

_CHOICES: dict[str, tuple[str | None, ...]] = {
    "tool_output_format": ("json", "str"),
    "tool_not_found_behavior": ("raise_error", "return_error_to_model"),
    "tool_name_collision_policy": ("warn", "error"),
    "reasoning_item_id_policy": ("preserve", "omit", None),
}


@dataclass
class ToolExecutionConfig:
    """How tools are run.

    Attributes:
        max_function_tool_concurrency: So many function tools of one answer at once; `None`: all of them.
        pre_approval_tool_input_guardrails: Check a call's input guardrails before a person is asked.
    """

    max_function_tool_concurrency: int | None = None
    pre_approval_tool_input_guardrails: bool = False

    def __post_init__(self) -> None:
        limit = self.max_function_tool_concurrency
        if limit is not None and limit < 1:
            raise ValueError(f"max_function_tool_concurrency is {limit}; it must be at least 1, or None for no limit.")


def _sensitive_data_by_default() -> bool:
    return os.environ.get(_SENSITIVE_DATA_VARIABLE, "false").strip().lower() in ("1", "true", "yes", "on")


@dataclass
class RunConfig:
    """Settings of one run that hold for all its agents, with the names of the Agents SDK.

    Attributes:
        model: A model's name or object that replaces every agent's model.
        model_provider: Finds the model of a name.
        model_settings: Laid over every agent's settings.
        handoff_input_filter: Edits what the next agent sees, where a handoff has no filter of its own.
        nest_handoff_history: Hand the conversation on as one message.
        handoff_history_mapper: Makes that message.
        input_guardrails: Checked beside those of the first agent.
        output_guardrails: Checked beside those of the last agent.
        tracing_disabled: Make no spans of this run, whatever the environment asks for.
        tracing: No effect: where spans go is said by OpenTelemetry's environment variables.
        trace_include_sensitive_data: Have spans tell what was said: instructions, messages, arguments, results, errors'
            texts. Without it, or `OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA=true`, they do not.
        workflow_name: What the run is called in the Temporal UI, in its details, and on its span.
        trace_id: The trace that the run is part of, unless it is started in one; made up if neither says.
        group_id: Links runs that belong together, as those of one chat.
        trace_metadata: JSON of at most 16 KiB, told on the run's span.
        session_input_callback: Combines a session's history and the new input, if they are not just to be joined.
        session_settings: How the session is read; over what the session itself says.
        call_model_input_filter: Sees and may change each request before it leaves.
        tool_error_formatter: Words what the model is told of a failed, rejected or unknown call.
        reasoning_item_id_policy: `"omit"`: later requests carry no ids of reasoning items.
        tool_not_found_behavior: What a call of an unknown tool does: end the run, or tell the model.
        tool_name_collision_policy: What two tools of one name do: the last one counts, with a warning, or an error.
        output_guardrail_blocked_message: Not supported yet; refused. What a guardrail stopped stays as it was said.
        tool_output_format: How a tool's result that is not a string reaches the model: `"json"`, or `"str"` for
            Python's text of it, as the Agents SDK does.
        approval_timeout_seconds: How long a call waits for a decision before it counts as rejected; 30 days.
        history_events: How many events the run's history in Temporal may have before the run goes on in a new one,
            which nobody notices; at least 20.
        tool_output_bytes: How much of a tool's output the model may see; 8 MiB, at least 1 KiB. Of a longer one it is
            shown the beginning, and told how much that is; `Run.transcript` has the whole.
    """

    model: str | Model | None = None
    model_provider: ModelProvider = field(default_factory=MultiProvider)
    model_settings: ModelSettings | None = None
    handoff_input_filter: HandoffInputFilter | None = None
    nest_handoff_history: bool = False
    handoff_history_mapper: HandoffHistoryMapper | None = None
    input_guardrails: list[InputGuardrail[Any]] | None = None
    output_guardrails: list[OutputGuardrail[Any]] | None = None
    tracing_disabled: bool = False
    tracing: dict[str, Any] | None = None
    trace_include_sensitive_data: bool = field(default_factory=_sensitive_data_by_default)
    workflow_name: str = "Agent workflow"
    trace_id: str | None = None
    group_id: str | None = None
    trace_metadata: dict[str, Any] | None = None
    session_input_callback: SessionInputCallback | None = None
    call_model_input_filter: CallModelInputFilter | None = None
    tool_error_formatter: ToolErrorFormatter | None = None
    session_settings: SessionSettings | None = None
    reasoning_item_id_policy: ReasoningItemIdPolicy | None = None
    sandbox: Any | None = None
    tool_execution: ToolExecutionConfig | None = None
    tool_not_found_behavior: ToolNotFoundBehavior = "raise_error"
    tool_name_collision_policy: ToolNameCollisionPolicy = "warn"
    output_guardrail_blocked_message: str | Callable[..., Any] | None = None
    tool_output_format: str = "json"
    approval_timeout_seconds: float = 30 * 24 * 3600
    history_events: int = HISTORY_EVENTS
    tool_output_bytes: int = MAX_ITEM_BYTES

    def __post_init__(self) -> None:
        refused = [name for name in _NOT_YET if getattr(self, name) is not None]
        if refused:
            raise UserError(
                f"The run's configuration sets {', '.join(refused)}, which this version of Perdure does not have. "
                "It is refused, not ignored: take it out, or wait for the version whose changelog names it."
            )
        if isinstance(self.model_settings, dict):
            self.model_settings = ModelSettings.of(cast("dict[str, Any]", self.model_settings))
        if isinstance(self.tool_execution, dict):
            self.tool_execution = ToolExecutionConfig(**cast("dict[str, Any]", self.tool_execution))
        if isinstance(self.model_provider, dict):
            self.model_provider = MultiProvider(**cast("dict[str, Any]", self.model_provider))
        self.session_settings = SessionSettings.of(self.session_settings)
        self._check_values()
        if not 0 < self.approval_timeout_seconds <= LONGEST_APPROVAL_SECONDS:
            raise UserError(
                f"approval_timeout_seconds is {self.approval_timeout_seconds}; it must be above 0 and at most "
                f"{LONGEST_APPROVAL_SECONDS:g} (ten years)."
            )
        if self.history_events < FEWEST_HISTORY_EVENTS:
            raise UserError(f"history_events is {self.history_events}; it must be at least {FEWEST_HISTORY_EVENTS}.")
        if not FEWEST_TOOL_OUTPUT_BYTES <= self.tool_output_bytes <= MAX_ITEM_BYTES:
            raise UserError(
                f"tool_output_bytes is {self.tool_output_bytes}; it must be at least {FEWEST_TOOL_OUTPUT_BYTES} and at "
                f"most {MAX_ITEM_BYTES}."
            )

    def _check_values(self) -> None:
        for name, kind in (("model", str | Model | None), ("model_provider", ModelProvider)):
            if not isinstance(getattr(self, name), kind):
                raise UserError(
                    f"{name} is {getattr(self, name)!r:.100}, of type {kind_of(getattr(self, name))}; it must be "
                    f"{'a name, a Model or None' if name == 'model' else 'a ModelProvider'}."
                )
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                wanted = " or ".join(f'"{choice}"' for choice in allowed if choice is not None)
                raise UserError(f"{name} is {getattr(self, name)!r}; it must be {wanted}.")

    @classmethod
    def of(cls, value: RunConfig | Mapping[str, Any] | None) -> RunConfig:
        """This configuration, the one that a mapping of the same names holds, or the default.

        Raises:
            TypeError: It is nothing of these, or a name is no setting.
        """
        if value is None:
            return cls()
        if isinstance(value, RunConfig):
            return value
        if not isinstance(cast("Any", value), Mapping):
            raise TypeError(f"run_config must be a RunConfig, a mapping or None, got {kind_of(value)}: {value!r:.100}")
        unknown = sorted(set(value) - {one.name for one in fields(cls)})
        if unknown:
            raise TypeError(f"Unknown run_config settings: {', '.join(unknown)}; take them out or correct the names.")
        return cls(**value)
