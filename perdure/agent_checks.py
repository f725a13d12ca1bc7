"""What an agent is made of, checked: its fields when it is made, and all that they hold before a run fixes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin

from perdure.agent_output import AgentOutputSchemaBase
from perdure.errors import UserError
from perdure.foreign import kind_of
from perdure.guardrail import InputGuardrail, OutputGuardrail
from perdure.hooks import validate_agent_hooks
from perdure.hosted_tools import HostedMCPTool
from perdure.model import Model
from perdure.model_settings import ModelSettings
from perdure.tool import Tool
from perdure.tool_use import validate_tool_use_behavior

if TYPE_CHECKING:
    from perdure.agent import Agent

_NOT_YET = ("mcp_servers", "mcp_config")
_FIELDS: dict[str, Any] = {
    "name": str,
    "handoff_description": str | None,
    "tools": list,
    "mcp_servers": list,
    "mcp_config": dict,
    "handoffs": list,
    "model": str | Model | None,
    "model_settings": ModelSettings,
    "input_guardrails": list,
    "output_guardrails": list,
    "reset_tool_choice": bool,
}


def check_fields(agent: Agent[Any]) -> None:
    """Refuses fields that cannot be what they are.

    Raises:
        TypeError: A field is of another type.
        UserError: `tool_use_behavior` is a dict that does not name tools.
    """
    for field, wanted in _FIELDS.items():
        value = getattr(agent, field)
        if not isinstance(value, wanted):
            raise _wrong(field, getattr(wanted, "__name__", str(wanted)), value)
    instructions, prompt = cast("Any", agent.instructions), agent.prompt
    if instructions is not None and not isinstance(instructions, str) and not callable(instructions):
        raise _wrong("instructions", "str, callable or None", instructions)
    if prompt is not None and not callable(prompt) and not hasattr(prompt, "get"):
        raise _wrong("prompt", "a prompt's dict, callable or None", prompt)
    if not _is_output_type(agent.output_type):
        raise _wrong("output_type", "a type, an AgentOutputSchemaBase or None", agent.output_type)
    validate_agent_hooks(agent.hooks)
    validate_tool_use_behavior(agent.tool_use_behavior)


def _is_output_type(value: Any) -> bool:
    is_type = value is None or isinstance(value, type | AgentOutputSchemaBase)
    return is_type or get_origin(value) is not None


def _wrong(field: str, wanted: str, value: Any) -> TypeError:
    return TypeError(f"Agent {field} must be {wanted}, got {kind_of(value)}: {value!r:.100}")


def check_agent(agent: Agent[Any]) -> None:
    """Refuses an agent that cannot run: fields that were set after it was made, and what its lists hold.

    Raises:
        UserError: Something cannot be used, or is not supported yet; the message names it.
        TypeError: A field is of another type.
    """
    check_fields(agent)
    refused = [name for name in _NOT_YET if getattr(agent, name)]
    if refused:
        raise UserError(
            f"Agent {agent.name!r} sets {', '.join(refused)}, which this version of Perdure does not have. "
            "It is refused, not ignored: take it out, or wait for the version whose changelog names it."
        )
    whose = f"Agent {agent.name!r}"
    check_entries(whose, "tools", agent.tools, Tool)
    for tool in agent.tools:
        if isinstance(tool, HostedMCPTool) and tool.may_ask:
            raise UserError(
                f"{whose} has a HostedMCPTool whose calls may wait for an approval, which comes in a later version of "
                'Perdure. Set "require_approval": "never" in its tool_config and leave on_approval_request out.'
            )
    check_entries(whose, "input_guardrails", agent.input_guardrails, InputGuardrail)
    check_entries(whose, "output_guardrails", agent.output_guardrails, OutputGuardrail)


def check_entries(whose: str, field: str, entries: Sequence[Any] | None, wanted: Any) -> None:
    """Refuses what a list cannot hold.

    Raises:
        UserError: An entry is something else than wanted.
    """
    for entry in entries or ():
        if not isinstance(entry, wanted):
            kinds = " or ".join(each.__name__ for each in get_args(wanted) or [wanted])
            raise UserError(
                f"{whose} has {entry!r:.100} among its {field}, of type {kind_of(entry)}. Give objects of {kinds}."
            )
