"""An agent: instructions, a model and tools, under a name."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, cast

from typing_extensions import Unpack

from perdure.agent_checks import check_fields
from perdure.context import RunContextWrapper, TContext
from perdure.model import Model
from perdure.prompts import resolve_prompt
from perdure.settings import ModelSettings
from perdure.tool import FunctionTool, Tool, is_switched_on

if TYPE_CHECKING:
    from perdure.agent_tool import AgentToolOptions

Instructions: TypeAlias = str | Callable[[RunContextWrapper[Any], "Agent[Any]"], str | Awaitable[str]] | None


@dataclass
class Agent(Generic[TContext]):
    """An agent, with the names of the Agents SDK.

    Attributes:
        name: What it is called: in the Temporal UI, in `perdure worker`, by `Runner.start("name", ...)`.
        instructions: The system prompt, or a sync or async function of (context, agent) that gives it on each turn.
        model: A model's name, a `Model` object, or `None` for the default.
        model_settings: Sent with each request; a dict becomes `ModelSettings`.
        tools: What the model may call.
        prompt: A prompt kept by the provider (id, version, variables), or a function of its data that gives one.
        handoffs: The agents that may take over, or `handoff(...)` for more to say about it.
        input_guardrails: Checked on the run's input, if the run starts with this agent.
        output_guardrails: Checked on the final output, if this agent makes it.
        output_type: The type of the final output; `None` and `str` mean text.
        hooks: Told what happens to this agent.
        tool_use_behavior: What follows a tool call: `"run_llm_again"`, `"stop_on_first_tool"`,
            `{"stop_at_tool_names": [...]}` or a function of (context, results).
        reset_tool_choice: Forget a forced `tool_choice` once the agent has used a tool, so that it can finish.
    """

    name: str
    handoff_description: str | None = None
    tools: list[Tool] = field(default_factory=list[Tool])
    mcp_servers: list[Any] = field(default_factory=list[Any])
    mcp_config: dict[str, Any] = field(default_factory=dict[str, Any])
    instructions: Instructions = None
    prompt: Any | None = None
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
        if isinstance(self.model_settings, dict):
            self.model_settings = ModelSettings.of(cast("dict[str, Any]", self.model_settings))
        check_fields(self)

    def clone(self, **changes: Any) -> Agent[TContext]:
        """A copy with changes; lists that are not given are shared with this agent."""
        return dataclasses.replace(self, **changes)

    async def get_system_prompt(self, run_context: RunContextWrapper[TContext]) -> str | None:
        """The instructions, asked for if they are a function.

        Raises:
            TypeError: The function does not take (context, agent).
        """
        rule = self.instructions
        if rule is None or isinstance(rule, str):
            return rule
        count = len(inspect.signature(rule).parameters)
        if count != 2:  # noqa: PLR2004  context and agent
            raise TypeError(
                f"Instructions of agent {self.name!r} take {count} parameters; they must take (context, agent)"
            )
        text = rule(run_context, self)
        return await text if inspect.isawaitable(text) else text

    async def get_prompt(self, run_context: RunContextWrapper[TContext]) -> dict[str, Any] | None:
        """The prompt as the Responses API takes it, asked for if it is a function."""
        return await resolve_prompt(self.prompt, run_context, self)

    async def get_mcp_tools(self, run_context: RunContextWrapper[TContext]) -> list[Tool]:
        """The tools of MCP servers: none, as an agent that has some is refused."""
        return []

    async def get_all_tools(self, run_context: RunContextWrapper[TContext]) -> list[Tool]:
        """The tools that are switched on in this context."""
        switched_on = [await is_switched_on(tool, run_context, self) for tool in self.tools]
        return [tool for tool, is_on in zip(self.tools, switched_on, strict=True) if is_on]

    def as_tool(
        self, tool_name: str | None, tool_description: str | None, **options: Unpack[AgentToolOptions]
    ) -> FunctionTool:
        """This agent as a tool of another: called with an input, it runs to its end and its output is the tool's.

        Args:
            tool_name: The tool's name; by default one made of the agent's.
            tool_description: What it does, for the calling model.
            options: See `AgentToolOptions`.
        """
        from perdure.agent_tool import agent_as_tool

        return agent_as_tool(self, tool_name, tool_description, **options)
