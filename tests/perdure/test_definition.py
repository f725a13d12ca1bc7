"""Agents as data."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.contracts.converter import data_converter
from perdure.definition import AgentDefinition, Snapshot, ToolDefinition
from perdure.hosted_tools import WebSearchTool
from perdure.settings import ModelSettings, RunConfig
from perdure.snapshot import Member, define_agent, snapshot
from perdure.snapshot import define_tool as define_tool_of
from perdure.testing import ScriptedModel
from perdure.tool import FunctionTool, Tool, function_tool


async def body(order: str) -> str:
    """Does something."""
    return order


def made(**options: Any) -> FunctionTool:
    return function_tool(body, **{"name_override": "look", **options})


def agent(**fields: Any) -> Agent[Any]:
    return Agent(**{"name": "Support", "instructions": "Help.", "model": "m", "tools": [made()], **fields})


def defined(agent: Agent[Any], config: RunConfig | None = None) -> AgentDefinition:
    return define_agent(Member(agent, config or RunConfig()), {})


def define_tool(tool: Tool) -> ToolDefinition:
    return define_tool_of(tool, Member(agent(), RunConfig()), {})


def digest(**fields: Any) -> str:
    return defined(agent(**fields)).digest


def rule(*_: Any) -> bool:
    return True


def through_json(value: Snapshot) -> Snapshot:
    converter = data_converter.payload_converter
    return converter.from_payloads(converter.to_payloads([value]), [Snapshot])[0]


def test_a_snapshot_holds_the_agent_under_its_name() -> None:
    taken = snapshot(agent(), RunConfig())
    assert (taken.start, list(taken.agents)) == ("Support", ["Support"])
    definition = taken.agents["Support"]
    assert (definition.name, definition.instructions, definition.model) == ("Support", "Help.", "m")
    assert [tool.name for tool in definition.tools] == ["look"]


def test_a_snapshot_is_the_same_after_its_journey() -> None:
    taken = snapshot(agent(tools=[made(needs_approval=rule), WebSearchTool()]), RunConfig())
    arrived = through_json(taken)
    assert arrived == taken
    assert arrived.agents["Support"].digest == taken.agents["Support"].digest


def test_the_same_agent_defined_again_has_the_same_digest() -> None:
    assert digest() == digest()


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Sales"},
        {"instructions": "Help!"},
        {"instructions": None},
        {"instructions": rule},
        {"model": "other"},
        {"model": None},
        {"model_settings": ModelSettings(temperature=0.0)},
        {"tools": []},
        {"tools": [made(description_override="Other words.")]},
        {"tools": [made(name_override="peek")]},
        {"tools": [made(needs_approval=True)]},
        {"reset_tool_choice": False},
    ],
)
def test_a_change_that_a_model_could_see_changes_the_digest(fields: dict[str, Any]) -> None:
    assert digest(**fields) != digest()


def test_a_change_of_code_alone_changes_no_digest() -> None:
    async def other(order: str) -> str:
        """Does something."""
        return order * 2

    assert digest(tools=[function_tool(other, name_override="look")]) == digest()


@pytest.mark.parametrize(
    "options",
    [
        {"description_override": "Other words."},
        {"needs_approval": True},
        {"needs_approval": rule},
        {"effect": "once"},
        {"timeout": 5.0},
        {"strict_mode": False},
        {"is_enabled": rule},
    ],
)
def test_a_tools_fingerprint_names_its_very_definition(options: dict[str, Any]) -> None:
    plain, other = define_tool(made()), define_tool(made(**options))
    assert plain.fingerprint == define_tool(made()).fingerprint
    assert len(plain.fingerprint) == 16
    assert other.fingerprint != plain.fingerprint


def test_a_schema_that_changes_changes_the_fingerprint() -> None:
    async def wider(order: str, amount: float) -> str:
        """Does something."""
        return order * int(amount)

    changed = define_tool(function_tool(wider, name_override="look"))
    assert changed.fingerprint != define_tool(made()).fingerprint


@pytest.mark.parametrize(
    ("options", "needs", "effect"),
    [
        ({}, False, "repeatable"),
        ({"needs_approval": True}, True, "once"),
        ({"needs_approval": rule}, "rule", "once"),
        ({"needs_approval": True, "effect": "repeatable"}, True, "repeatable"),
        ({"effect": "once"}, False, "once"),
    ],
)
def test_a_tool_that_needs_approval_has_its_effect_once_unless_told_otherwise(
    options: dict[str, Any], needs: Any, effect: str
) -> None:
    definition = define_tool(made(**options))
    assert (definition.needs_approval, definition.effect) == (needs, effect)


def test_only_a_tool_whose_function_wants_the_context_takes_it() -> None:
    def seeing(ctx: RunContextWrapper[Any]) -> str:
        return str(ctx.context)

    assert define_tool(function_tool(seeing)).takes_context
    assert not define_tool(made()).takes_context


def test_a_tool_that_is_switched_off_is_hidden() -> None:
    definition = defined(agent(tools=[made(), made(name_override="off", is_enabled=False)]))
    assert [tool.name for tool in definition.tools] == ["look"]


def test_a_tool_that_a_rule_switches_is_defined_and_marked() -> None:
    definition = defined(agent(tools=[made(is_enabled=rule)]))
    assert definition.tools[0].enabled_by_rule
    assert definition.calls_user_code


def test_of_two_tools_with_one_name_the_last_one_counts() -> None:
    tools: list[Tool] = [made(description_override="first"), made(description_override="last")]
    definition = defined(agent(tools=tools))
    assert [tool.wire["description"] for tool in definition.tools] == ["last"]


def test_a_tool_of_the_provider_is_offered_but_cannot_be_dispatched() -> None:
    definition = defined(agent(tools=[WebSearchTool()]))
    assert (definition.tools[0].hosted, definition.tools[0].wire["type"]) == (True, "web_search")
    assert definition.tools_by_name == {}


def test_instructions_may_be_made_by_a_function_which_does_not_travel() -> None:
    definition = defined(agent(instructions=rule))
    assert (definition.instructions, definition.instructions_by_rule) == (None, True)
    assert definition.calls_user_code


def test_plain_agents_call_no_code_of_the_user_to_ask_the_model() -> None:
    assert not defined(agent()).calls_user_code


def test_a_model_object_stays_and_is_marked() -> None:
    definition = defined(agent(model=ScriptedModel([])))
    assert (definition.model, definition.model_object) == (None, True)


def test_the_runs_configuration_goes_before_the_agents() -> None:
    config = RunConfig(model="other", model_settings=ModelSettings(temperature=0.0))
    definition = defined(agent(model_settings=ModelSettings(temperature=1.0, top_p=0.5)), config)
    assert (definition.model, definition.settings) == ("other", {"temperature": 0.0, "top_p": 0.5})


def test_a_definition_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    definition = AgentDefinition.model_validate({"name": "Support", "of_tomorrow": 1})
    assert definition == AgentDefinition(name="Support")
