"""An agent as it travels: data without code, fixed for the whole run.

A run takes a snapshot of its agents at the start. What is static in it (texts, schemas, settings) holds until the run
ends, whatever is deployed meanwhile; what is a function is named by it and evaluated by the deployed code.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from perdure.agent import Agent
from perdure.canonical import canonical
from perdure.errors import UserError
from perdure.model import Model
from perdure.settings import RunConfig
from perdure.tool import FunctionTool, Tool


class Frozen(BaseModel):
    """A value that crosses a process border: fields are only ever added, with defaults."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ToolDefinition(Frozen):
    """A tool as the model sees it, and how its calls are treated.

    Attributes:
        wire: The tool in the form of the Responses API.
        hosted: Whether the provider runs it.
        needs_approval: Whether a call waits for a decision; `"rule"`: a function of the user says so for each call.
        effect: `"once"`: a call whose worker was lost is never repeated.
        enabled_by_rule: Whether a function of the user says on each turn if the tool is offered.
        fingerprint: Names this very definition; a worker whose tool differs does not run the call.
    """

    name: str
    wire: dict[str, Any]
    hosted: bool = False
    include: tuple[str, ...] = ()
    needs_approval: bool | Literal["rule"] = False
    effect: Literal["once", "repeatable"] = "repeatable"
    timeout_seconds: float | None = None
    takes_context: bool = False
    enabled_by_rule: bool = False
    fingerprint: str = ""


class AgentDefinition(Frozen):
    """An agent as data.

    Attributes:
        instructions: The system prompt, unless a function makes it.
        instructions_by_rule: Whether a function of the user makes it on each turn.
        model: The model's name; `None` with `model_object`: an object of the deployed agent.
        settings: `ModelSettings` as JSON, the run's laid over the agent's.
    """

    name: str
    instructions: str | None = None
    instructions_by_rule: bool = False
    model: str | None = None
    model_object: bool = False
    settings: dict[str, Any] = {}
    tools: tuple[ToolDefinition, ...] = ()
    reset_tool_choice: bool = True

    @cached_property
    def digest(self) -> str:
        """Names this very definition."""
        return _digest(self.model_dump(mode="json", exclude_unset=True))

    @cached_property
    def tools_by_name(self) -> dict[str, ToolDefinition]:
        """The function tools by name; of two with one name the last one counts."""
        return {tool.name: tool for tool in self.tools if not tool.hosted}

    @property
    def calls_user_code(self) -> bool:
        """Whether a model call evaluates functions of the user, which want the context."""
        return self.instructions_by_rule or any(tool.enabled_by_rule for tool in self.tools)


class Snapshot(Frozen):
    """The agents of a run, by key, and the one that starts."""

    start: str
    agents: dict[str, AgentDefinition]


def snapshot(agent: Agent[Any], config: RunConfig) -> Snapshot:
    """Takes the snapshot of an agent.

    Raises:
        UserError: The agent uses something that this version does not run.
    """
    _refuse_unsupported(agent)
    return Snapshot(start=agent.name, agents={agent.name: define_agent(agent, config)})


def define_agent(agent: Agent[Any], config: RunConfig) -> AgentDefinition:
    """The definition of one agent under a run's configuration."""
    model = agent.model if config.model is None else config.model
    by_rule = callable(agent.instructions)
    return AgentDefinition(
        name=agent.name,
        instructions=agent.instructions if isinstance(agent.instructions, str) else None,
        instructions_by_rule=by_rule,
        model=model if isinstance(model, str) else None,
        model_object=isinstance(model, Model),
        settings=agent.model_settings.resolve(config.model_settings).to_json(),
        tools=tuple(define_tool(tool) for tool in _without_hidden(agent.tools)),
        reset_tool_choice=agent.reset_tool_choice,
    )


def define_tool(tool: Tool) -> ToolDefinition:
    """The definition of one tool, with its fingerprint."""
    if not isinstance(tool, FunctionTool):
        wire = tool.to_wire()
        return ToolDefinition(name=wire["type"], wire=wire, hosted=True, include=tuple(tool.includes()))
    if tool.tool_input_guardrails or tool.tool_output_guardrails:
        raise UserError(f"Tool {tool.name!r} has guardrails; this version runs none. Remove them or check in the tool.")
    definition = ToolDefinition(
        name=tool.name,
        wire=tool.to_wire(),
        needs_approval=tool.needs_approval if isinstance(tool.needs_approval, bool) else "rule",
        effect=tool.resolved_effect,
        timeout_seconds=tool.timeout_seconds,
        takes_context=tool.takes_context,
        enabled_by_rule=callable(tool.is_enabled),
    )
    return definition.model_copy(update={"fingerprint": _digest(definition.model_dump(mode="json"))})


def _without_hidden(tools: list[Tool]) -> list[Tool]:
    """The tools that may be offered: none that is switched off, and of two with one name the last."""
    enabled = [tool for tool in tools if not isinstance(tool, FunctionTool) or tool.is_enabled is not False]
    last = {tool.name: tool for tool in enabled if isinstance(tool, FunctionTool)}
    return [tool for tool in enabled if not isinstance(tool, FunctionTool) or last[tool.name] is tool]


def _refuse_unsupported(agent: Agent[Any]) -> None:
    later = {
        "handoffs": agent.handoffs,
        "input_guardrails": agent.input_guardrails,
        "output_guardrails": agent.output_guardrails,
        "output_type": agent.output_type not in (None, str),
        "hooks": agent.hooks,
        "tool_use_behavior": agent.tool_use_behavior != "run_llm_again",
    }
    used = [name for name, value in later.items() if value]
    if used:
        raise UserError(
            f"Agent {agent.name!r} sets {', '.join(used)}, which this version of Perdure does not run yet. "
            "It is refused, not ignored: take it out, or wait for the version whose changelog names it."
        )


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()[:16]
