"""The snapshot of a run's agents: all that can be reached from the first one by handoffs and agents as tools."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import Any, cast

from perdure.agent import Agent
from perdure.agent_checks import check_agent, check_entries
from perdure.agent_output import output_schema_of, to_wire
from perdure.canonical import canonical, digest_of
from perdure.definition import (
    AgentDefinition,
    AgentToolDefinition,
    GuardrailDefinition,
    HandoffDefinition,
    RetryDefinition,
    RunRules,
    Snapshot,
    ToolDefinition,
)
from perdure.errors import UserError
from perdure.guardrail import InputGuardrail, OutputGuardrail
from perdure.handoff import Handoff, as_handoff
from perdure.hooks import overridden
from perdure.model import Model
from perdure.models.multi_provider import MultiProvider
from perdure.retry import temporal_numbers
from perdure.session import define_session
from perdure.settings import RunConfig
from perdure.tool import FunctionTool, Tool, default_tool_error_function

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Member:
    """One of a run's agents, and the configuration that it runs under."""

    agent: Agent[Any]
    config: RunConfig


def members(start: Agent[Any], config: RunConfig) -> dict[str, Member]:
    """All agents that a run may come to, by key, in the order of their distance from the first.

    An agent that runs as a tool under a configuration of its own is another member than the same agent without.
    """
    found: dict[str, Member] = {}
    waiting = deque([Member(start, config)])
    seen: set[tuple[int, int]] = set()
    while waiting:
        member = waiting.popleft()
        check_entries("A run", "agents", [member.agent], Agent)
        if (id(member.agent), id(member.config)) in seen:
            continue
        seen.add((id(member.agent), id(member.config)))
        found[free_key(member.agent.name, found)] = member
        waiting.extend(_next_members(member))
    return found


def key_of(agent: Agent[Any], config: RunConfig, among: dict[str, Member]) -> str | None:
    """The key of an agent under a configuration; `None` if it is no member."""
    return next((key for key, each in among.items() if each.agent is agent and each.config is config), None)


def _next_members(member: Member) -> list[Member]:
    check_entries(f"Agent {member.agent.name!r}", "handoffs", member.agent.handoffs, Agent | Handoff)
    targets: list[Agent[Any] | None] = [
        cast("Agent[Any]", entry) if isinstance(entry, Agent) else entry.agent for entry in member.agent.handoffs
    ]
    tools = [tool.agent_tool for tool in member.agent.tools if isinstance(tool, FunctionTool) and tool.agent_tool]
    return [
        *(Member(target, member.config) for target in targets if target is not None),
        *(Member(tool.agent, tool.run_config or member.config) for tool in tools),
    ]


def free_key(name: str, taken: dict[str, Member]) -> str:
    """The key for a further agent of this name."""
    key, count = name, 1
    while key in taken:
        count += 1
        key = f"{name}#{count}"
    return key


def snapshot(
    agent: Agent[Any], config: RunConfig, hooks: Any | None = None, error_handlers: dict[str, Any] | None = None
) -> Snapshot:
    """Takes the snapshot of an agent and all that it can come to.

    Raises:
        UserError: One of them is defined in a way that cannot work.
    """
    among = members(agent, config)
    agents = {key: define_agent(member, among) for key, member in among.items()}
    rules = rules_of(config, hooks, error_handlers)
    return Snapshot(start=agent.name, agents=agents, **({} if rules == RunRules() else {"rules": rules}))


def define_agent(member: Member, among: dict[str, Member]) -> AgentDefinition:
    """The definition of one agent; what is as by default is not set, so that it takes no room.

    Raises:
        UserError: It is defined in a way that cannot work, or holds what cannot travel.
    """
    agent, config = member.agent, member.config
    check_agent(agent)
    _check_collisions(agent, config.tool_name_collision_policy)
    model = agent.model if config.model is None else config.model
    settings = agent.model_settings.resolve(config.model_settings)
    prompt: Any = agent.prompt
    values: dict[str, Any] = {
        "instructions": agent.instructions if isinstance(agent.instructions, str) else None,
        "instructions_by_rule": callable(agent.instructions),
        "prompt": prompt if isinstance(prompt, dict) else None,
        "prompt_by_rule": not isinstance(prompt, dict | None),
        "model": model if isinstance(model, str) else None,
        "model_object": isinstance(model, Model),
        "provider": config.model_provider.plain or None if isinstance(config.model_provider, MultiProvider) else None,
        "settings": settings.to_json(),
        "retry": RetryDefinition(**temporal_numbers(settings.retry)) if settings.retry is not None else None,
        "tools": tuple(define_tool(tool, member, among) for tool in without_hidden(agent)),
        "handoffs": tuple(_define_handoff(each, member, among) for each in live_handoffs(agent)),
        "input_guardrails": _guardrails(agent.input_guardrails),
        "output_guardrails": _guardrails(agent.output_guardrails),
        "output_format": _output_format(agent),
        "reset_tool_choice": agent.reset_tool_choice,
        "hooks": tuple(sorted(overridden(agent.hooks))),
        **_tool_use(agent),
    }
    definition = AgentDefinition(name=agent.name, **_without_defaults(AgentDefinition, values))
    _ = definition.digest  # now, as here it can still be said what cannot travel
    return definition


def live_handoffs(agent: Agent[Any]) -> list[Handoff[Any, Any]]:
    """The handoffs that may be offered: none that is switched off for good, and of two with one name the last."""
    handoffs = _enabled_handoffs(agent)
    last = {handoff.tool_name: handoff for handoff in handoffs}
    return [handoff for handoff in handoffs if last[handoff.tool_name] is handoff]


def _enabled_handoffs(agent: Agent[Any]) -> list[Handoff[Any, Any]]:
    return [handoff for handoff in map(as_handoff, agent.handoffs) if handoff.is_enabled is not False]


def without_hidden(agent: Agent[Any]) -> list[Tool]:
    """The tools that may be offered: none that is switched off, and of two with one name the last."""
    taken = {handoff.tool_name for handoff in live_handoffs(agent)}
    enabled = [tool for tool in agent.tools if not isinstance(tool, FunctionTool) or _is_offered(tool, taken)]
    last = {tool.name: tool for tool in enabled if isinstance(tool, FunctionTool)}
    return [tool for tool in enabled if not isinstance(tool, FunctionTool) or last[tool.name] is tool]


def _is_offered(tool: FunctionTool, taken: set[str]) -> bool:
    """Whether a tool may be offered; a handoff of its name comes first."""
    return tool.is_enabled is not False and tool.name not in taken


def _check_collisions(agent: Agent[Any], policy: str) -> None:
    """Warns of names that tools or handoffs share, or refuses them: the last one counts, a handoff before any tool."""
    sharing: dict[str, list[Any]] = {}
    for tool in agent.tools:
        if isinstance(tool, FunctionTool) and tool.is_enabled is not False:
            sharing.setdefault(tool.name, []).append(tool)
    for handoff in _enabled_handoffs(agent):
        sharing.setdefault(handoff.tool_name, []).append(handoff)
    shared = {name: owners for name, owners in sharing.items() if len(owners) > 1}
    if not shared:
        return
    found = f"Agent {agent.name!r} has several tools or handoffs named {', '.join(sorted(shared))}"
    if policy == "error":
        raise UserError(f'{found}, which tool_name_collision_policy="error" refuses: rename all but one of each.')
    if any(callable(owners[-1].is_enabled) for owners in shared.values()):
        raise UserError(f"{found}, and a function says whether the last one is offered: rename all but one of each.")
    logger.warning("%s; the last one counts, a handoff before any tool.", found)


def define_tool(tool: Tool, member: Member, among: dict[str, Member]) -> ToolDefinition:
    """The definition of one tool, with its fingerprint."""
    if not isinstance(tool, FunctionTool):
        wire = tool.to_wire()
        return ToolDefinition(name=wire["type"], wire=wire, hosted=True, include=tuple(tool.includes()))
    values: dict[str, Any] = {
        "needs_approval": tool.needs_approval if isinstance(tool.needs_approval, bool) else "rule",
        "effect": tool.resolved_effect,
        "local": tool.local,
        "key": tool.key,
        "timeout_seconds": tool.timeout_seconds,
        "takes_context": tool.takes_context,
        "enabled_by_rule": callable(tool.is_enabled),
        "input_guardrails": tuple(each.get_name() for each in tool.tool_input_guardrails or []),
        "output_guardrails": tuple(each.get_name() for each in tool.tool_output_guardrails or []),
        "agent": _define_agent_tool(tool, member, among),
    }
    definition = ToolDefinition(name=tool.name, wire=tool.to_wire(), **_without_defaults(ToolDefinition, values))
    said = definition.model_dump(mode="json", exclude={"local"})  # where a tool runs is no part of what it is
    return definition.model_copy(update={"fingerprint": digest_of(said)})


def _define_agent_tool(tool: FunctionTool, member: Member, among: dict[str, Member]) -> AgentToolDefinition | None:
    wanted = tool.agent_tool
    if wanted is None:
        return None
    config = wanted.run_config or member.config
    words = wanted.failure_error_function
    on_failure = "raise" if words is None else "text" if words is default_tool_error_function else "function"
    values: dict[str, Any] = {
        "max_turns": wanted.max_turns,
        "on_failure": on_failure,
        "builds_input": wanted.parameters is not None or wanted.input_builder is not None,
        "extracts_output": wanted.custom_output_extractor is not None,
        "streams": wanted.on_stream is not None,
        "rules": rules_of(config, wanted.hooks, None),
        "previous_response_id": wanted.previous_response_id,
        "conversation_id": wanted.conversation_id,
        "session": define_session(wanted.session, config.session_settings),
    }
    key = key_of(wanted.agent, config, among)
    if key is None:
        raise UserError(f"Tool {tool.name!r} runs agent {wanted.agent.name!r}, which is not among the run's agents.")
    return AgentToolDefinition(agent=key, **_without_defaults(AgentToolDefinition, values))


def _define_handoff(handoff: Handoff[Any, Any], member: Member, among: dict[str, Member]) -> HandoffDefinition:
    if handoff.input_filter is not None and not callable(handoff.input_filter):
        raise UserError(f"The input_filter of handoff {handoff.tool_name!r} is no function; give one or None.")
    target = handoff.agent
    values: dict[str, Any] = {
        "agent": None if target is None else key_of(target, member.config, among),
        "invokes": handoff.has_callback,
        "filters": handoff.input_filter is not None,
        "nest": handoff.nest_handoff_history,
        "enabled_by_rule": callable(handoff.is_enabled),
    }
    return HandoffDefinition(
        tool_name=handoff.tool_name, wire=handoff.to_wire(), **_without_defaults(HandoffDefinition, values)
    )


def _output_format(agent: Agent[Any]) -> dict[str, Any] | None:
    schema = output_schema_of(agent.output_type)
    return None if schema is None or schema.is_plain_text() else to_wire(schema)


def _tool_use(agent: Agent[Any]) -> dict[str, Any]:
    behavior = agent.tool_use_behavior
    if isinstance(behavior, str):
        return {"tool_use": behavior}
    if isinstance(behavior, dict):
        return {"tool_use": "stop_at", "stop_at": tuple(cast("dict[str, Any]", behavior)["stop_at_tool_names"])}
    return {"tool_use": "rule"}


def _guardrails(guardrails: list[Any] | None) -> tuple[GuardrailDefinition, ...]:
    return tuple(_guardrail(each) for each in guardrails or [])


def _guardrail(guardrail: Any) -> GuardrailDefinition:
    function: Any = guardrail.guardrail_function
    if not callable(function):
        raise UserError(f"Guardrail function must be callable, got {function!r:.100}; give one to {guardrail!r:.100}.")
    extras: dict[str, Any] = {"parallel": True} if getattr(guardrail, "run_in_parallel", False) else {}
    return GuardrailDefinition(name=guardrail.get_name(), **extras)


def rules_of(config: RunConfig, hooks: Any | None, error_handlers: dict[str, Any] | None) -> RunRules:
    """What the loop has to know of a run's configuration, hooks and error handlers."""
    check_entries("The run's configuration", "input_guardrails", config.input_guardrails, InputGuardrail)
    check_entries("The run's configuration", "output_guardrails", config.output_guardrails, OutputGuardrail)
    limits = config.tool_execution
    values: dict[str, Any] = {
        "input_guardrails": _guardrails(config.input_guardrails),
        "output_guardrails": _guardrails(config.output_guardrails),
        "hooks": tuple(sorted(overridden(hooks))),
        "handoff_filter": config.handoff_input_filter is not None,
        "nest_handoffs": config.nest_handoff_history,
        "filters_model_input": config.call_model_input_filter is not None,
        "formats_errors": config.tool_error_formatter is not None,
        "tell_unknown_tools": config.tool_not_found_behavior == "return_error_to_model",
        "guardrails_before_approval": bool(limits and limits.pre_approval_tool_input_guardrails),
        "max_parallel_tools": limits.max_function_tool_concurrency if limits else None,
        "omit_reasoning_ids": config.reasoning_item_id_policy == "omit",
        "error_handlers": tuple(sorted(kind for kind, handler in (error_handlers or {}).items() if handler)),
    }
    return RunRules(**_without_defaults(RunRules, values))


def _without_defaults(kind: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value != kind.model_fields[name].default}


def snapshot_bytes(taken: Snapshot) -> int:
    """How many bytes a snapshot takes as it travels."""
    return len(canonical(taken.model_dump(mode="json", exclude_unset=True)))
