"""An agent: instructions, a model and tools, under a name."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias

from perdure.context import RunContextWrapper, TContext
from perdure.model import Model
from perdure.settings import ModelSettings
from perdure.tool import Tool

Instructions: TypeAlias = str | Callable[[RunContextWrapper[Any], "Agent[Any]"], str | Awaitable[str]] | None


@dataclass
class Agent(Generic[TContext]):
    """An agent, with the names of the Agents SDK.

    Attributes:
        name: What it is called: in the Temporal UI, in `perdure worker`, by `Runner.start("name", ...)`.
        instructions: The system prompt, or a sync or async function of (context, agent) that gives it on each turn.
        model: A model's name, a `Model` object, or `None` for the default.
        model_settings: Sent with each request.
        tools: What the model may call.
        tool_use_behavior: What follows a tool call; `"run_llm_again"`: the model is asked again.
        reset_tool_choice: Forget a forced `tool_choice` once the agent has used a tool, so that it can finish.
    """

    name: str
    handoff_description: str | None = None
    tools: list[Tool] = field(default_factory=list[Tool])
    instructions: Instructions = None
    handoffs: list[Any] = field(default_factory=list[Any])
    model: str | Model | None = None
    model_settings: ModelSettings = field(default_factory=ModelSettings)
    input_guardrails: list[Any] = field(default_factory=list[Any])
    output_guardrails: list[Any] = field(default_factory=list[Any])
    output_type: Any | None = None
    hooks: Any | None = None
    tool_use_behavior: Any = "run_llm_again"
    reset_tool_choice: bool = True

    def __post_init__(self) -> None:
        expect = {
            "name": (self.name, str),
            "tools": (self.tools, list),
            "handoffs": (self.handoffs, list),
            "model": (self.model, str | Model | None),
            "model_settings": (self.model_settings, ModelSettings),
            "reset_tool_choice": (self.reset_tool_choice, bool),
        }
        for attribute, (value, wanted) in expect.items():
            if not isinstance(value, wanted):
                names = getattr(wanted, "__name__", str(wanted))
                raise TypeError(f"Agent {attribute} must be {names}, got {type(value).__name__}: {value!r:.100}")
        if self.instructions is not None and not isinstance(self.instructions, str) and not callable(self.instructions):
            raise TypeError(f"Agent instructions must be str, callable or None, got {type(self.instructions).__name__}")

    def clone(self, **changes: Any) -> Agent[TContext]:
        """A copy with changes; lists that are not given are shared with this agent."""
        return dataclasses.replace(self, **changes)
