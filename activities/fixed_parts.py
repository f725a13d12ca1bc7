"""The live objects behind a request as the run has them fixed: what was deployed since does not reach the model."""

from __future__ import annotations

from typing import Any

from perdure.agent import Agent
from perdure.agent_output import AgentOutputSchemaBase, output_schema_of, to_wire
from perdure.canonical import canonical
from perdure.definition import AgentDefinition, HandoffDefinition, ToolDefinition
from perdure.handoff import Handoff
from perdure.served import AgentNotServed
from perdure.snapshot import live_handoffs, without_hidden
from perdure.tool import FunctionTool, Tool


def fixed_output_schema(agent: Agent[Any], definition: AgentDefinition) -> AgentOutputSchemaBase | None:
    """What reads the agent's final output; `None` if that is text in this run.

    Raises:
        AgentNotServed: This worker's agent has another output type, which would read the answer otherwise.
    """
    fixed = definition.output_format
    if fixed is None:
        return None
    live = output_schema_of(agent.output_type)
    if live is not None and _is_same(to_wire(live), fixed):
        return live
    kind = "text" if live is None else live.name()
    raise AgentNotServed(
        f"The output type of agent {agent.name!r} on this worker is {kind}, whose schema is not the one that the run "
        "knows. Deploy a worker that has it as it was."
    )


def fixed_tools(agent: Agent[Any], definition: AgentDefinition, disabled: frozenset[str]) -> list[Tool]:
    """The tools of a request: live ones where they are as they were, else what stands for them.

    Raises:
        AgentNotServed: This worker's agent lacks a tool that the provider runs.
    """
    live = without_hidden(agent)
    functions = {tool.name: tool for tool in live if isinstance(tool, FunctionTool)}
    hosted = [tool for tool in live if not isinstance(tool, FunctionTool)]
    return [
        _hosted(each, hosted, definition) if each.hosted else _function(each, functions.get(each.name))
        for each in definition.tools
        if each.hosted or each.name not in disabled
    ]


def fixed_handoffs(agent: Agent[Any], definition: AgentDefinition, disabled: frozenset[str]) -> list[Handoff[Any, Any]]:
    """The handoffs of a request, likewise."""
    live = {handoff.tool_name: handoff for handoff in live_handoffs(agent)}
    return [_handoff(each, live.get(each.tool_name)) for each in definition.handoffs if each.tool_name not in disabled]


def _hosted(fixed: ToolDefinition, live: list[Any], definition: AgentDefinition) -> Any:
    for tool in live:
        if _is_same(tool.to_wire(), fixed.wire):
            return tool
    raise AgentNotServed(
        f"Agent {definition.name!r} of this worker has no tool {fixed.name!r} as the run knows it, and its model wants "
        "the object. Deploy a worker that has it as it was."
    )


def _function(fixed: ToolDefinition, live: FunctionTool | None) -> FunctionTool:
    wire = fixed.wire
    if live is not None and _is_same(live.to_wire(), wire):
        return live
    return FunctionTool(
        name=fixed.name,
        description=wire["description"],
        params_json_schema=wire["parameters"],
        on_invoke_tool=_not_here,
        strict_json_schema=wire["strict"],
        defer_loading=wire.get("defer_loading", False),
    )


def _handoff(fixed: HandoffDefinition, live: Handoff[Any, Any] | None) -> Handoff[Any, Any]:
    wire = fixed.wire
    if live is not None and _is_same(live.to_wire(), wire):
        return live
    return Handoff(
        tool_name=fixed.tool_name,
        tool_description=wire["description"],
        input_json_schema=wire["parameters"],
        on_invoke_handoff=_not_here,
        agent_name=fixed.agent or fixed.tool_name,
        strict_json_schema=wire["strict"],
    )


def _is_same(live: dict[str, Any], fixed: dict[str, Any]) -> bool:
    return canonical(live) == canonical(fixed)


async def _not_here(*_: Any) -> Any:
    raise AgentNotServed("This stands for a tool or handoff of another worker: a model reads it and does not call it.")
