"""What the functions of an agent say for one model call: its instructions and prompt, and what is switched off."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, cast

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.definition import AgentDefinition
from perdure.errors import UserError
from perdure.prompts import Prompt, resolve_prompt
from perdure.served import AgentNotServed
from perdure.snapshot import live_handoffs, without_hidden
from perdure.tool import FunctionTool, is_switched_on


@dataclass(frozen=True, slots=True)
class Resolved:
    """An agent as it stands for one model call."""

    instructions: str | None
    prompt: dict[str, Any] | None
    disabled_tools: frozenset[str] = frozenset()
    disabled_handoffs: frozenset[str] = frozenset()

    @property
    def disabled(self) -> list[str]:
        """The names of what is switched off."""
        return sorted(self.disabled_tools | self.disabled_handoffs)


async def resolve_static(definition: AgentDefinition) -> Resolved:
    """An agent that calls no functions of the user."""
    prompt = None
    if definition.prompt is not None:
        nobody = Agent[Any](name=definition.name)  # a prompt that is no function asks nobody
        prompt = await resolve_prompt(cast("Prompt", definition.prompt), RunContextWrapper(None), nobody)
    return Resolved(definition.instructions, prompt)


async def resolve(agent: Agent[Any], definition: AgentDefinition, context: RunContextWrapper[Any]) -> Resolved:
    """Asks the functions of a live agent, side by side; the first that fails cancels the others.

    Raises:
        AgentNotServed: See `check_functions`.
    """
    check_functions(agent, definition)
    tools, instructions, prompt, handoffs = await _together(
        _disabled_tools(agent, definition, context),
        _instructions(agent, definition, context),
        _prompt(agent, definition, context),
        _disabled_handoffs(agent, definition, context),
    )
    return Resolved(instructions, prompt, frozenset(tools), frozenset(handoffs))


def check_functions(agent: Agent[Any], definition: AgentDefinition) -> None:
    """Makes sure that a live agent has what a request asks of it.

    Raises:
        AgentNotServed: It lacks a function that the run's agent has, or a tool or handoff which its own rule may
            switch off.
    """
    for name, owner in [*_ruled_tools(agent, definition).items(), *_ruled_handoffs(agent, definition).items()]:
        if owner is None:
            raise AgentNotServed(f"Agent {agent.name!r} of this worker has no {name!r}; deploy one that has it.")
    if definition.instructions_by_rule and not callable(agent.instructions):
        raise AgentNotServed(
            f"The instructions of agent {agent.name!r} are no function on this worker; deploy one where they are."
        )
    if definition.prompt_by_rule and isinstance(agent.prompt, dict | None):
        raise AgentNotServed(
            f"The prompt of agent {agent.name!r} is no function on this worker; deploy one where it is."
        )


def _ruled_tools(agent: Agent[Any], definition: AgentDefinition) -> dict[str, FunctionTool | None]:
    names = [tool.name for tool in definition.tools if tool.enabled_by_rule]
    live = {tool.name: tool for tool in without_hidden(agent) if isinstance(tool, FunctionTool)} if names else {}
    return {name: live.get(name) for name in names}


def _ruled_handoffs(agent: Agent[Any], definition: AgentDefinition) -> dict[str, Any]:
    names = [handoff.tool_name for handoff in definition.handoffs if handoff.enabled_by_rule]
    live = {handoff.tool_name: handoff for handoff in live_handoffs(agent)} if names else {}
    return {name: live.get(name) for name in names}


async def _disabled_tools(agent: Agent[Any], definition: AgentDefinition, context: RunContextWrapper[Any]) -> list[str]:
    return await _disabled(agent, _ruled_tools(agent, definition), context)


async def _disabled_handoffs(
    agent: Agent[Any], definition: AgentDefinition, context: RunContextWrapper[Any]
) -> list[str]:
    return await _disabled(agent, _ruled_handoffs(agent, definition), context)


async def _disabled(agent: Agent[Any], by_rule: dict[str, Any], context: RunContextWrapper[Any]) -> list[str]:
    """The names of what its own rule switches off."""
    said = await _together(*(is_switched_on(owner, context, agent) for owner in by_rule.values()))
    return [name for name, is_enabled in zip(by_rule, said, strict=True) if not is_enabled]


async def _instructions(agent: Agent[Any], definition: AgentDefinition, context: RunContextWrapper[Any]) -> str | None:
    if not definition.instructions_by_rule:
        return definition.instructions
    text: Any = await agent.get_system_prompt(context)
    if text is not None and not isinstance(text, str):
        raise UserError(f"Instructions of agent {agent.name!r} returned {type(text).__name__}; return a str or None.")
    return text


async def _prompt(
    agent: Agent[Any], definition: AgentDefinition, context: RunContextWrapper[Any]
) -> dict[str, Any] | None:
    if not definition.prompt_by_rule:
        return await resolve_prompt(cast("Prompt", definition.prompt), context, agent)
    return await resolve_prompt(agent.prompt, context, agent)


async def _together(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """The results of all; once one fails the others are cancelled, and waited for."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
