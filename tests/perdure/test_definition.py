"""Agents as data."""

from __future__ import annotations

from typing import Any

import agents
import pytest

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.contracts.converter import data_converter
from perdure.definition import AgentDefinition, Snapshot, ToolDefinition
from perdure.errors import UserError
from perdure.hosted_tools import HostedMCPTool, WebSearchTool
from perdure.models import MultiProvider
from perdure.settings import ModelSettings, RunConfig
from perdure.snapshot import Member, define_agent, snapshot
from perdure.snapshot import define_tool as define_tool_of
from perdure.testing import ScriptedModel
from perdure.tool import FunctionTool, Tool, function_tool

SERVER: Any = {"type": "mcp", "server_label": "docs", "require_approval": "never"}


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


def test_of_two_handoffs_with_one_name_the_last_one_counts_and_a_warning_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    described = [Agent[Any](name="B", handoff_description=text) for text in ("first", "last")]
    definition = defined(agent(handoffs=described))
    assert ["last" in handoff.wire["description"] for handoff in definition.handoffs] == [True]
    assert "several tools or handoffs named transfer_to_b" in caplog.text


def test_names_that_tools_and_handoffs_share_may_be_refused() -> None:
    config = RunConfig(tool_name_collision_policy="error")
    for fields in (
        {"tools": [made(), made()]},
        {"handoffs": [Agent[Any](name="B"), Agent[Any](name="B")]},
        {"handoffs": [Agent[Any](name="B")], "tools": [made(name_override="transfer_to_b")]},
    ):
        with pytest.raises(UserError, match="rename all but one of each"):
            defined(agent(**fields), config)


def test_a_shared_name_is_refused_where_a_function_says_whether_the_last_one_is_offered() -> None:
    assert len(defined(agent(tools=[made(is_enabled=rule), made()])).tools) == 1
    with pytest.raises(UserError, match="a function says whether the last one is offered"):
        defined(agent(tools=[made(), made(is_enabled=rule)]))


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


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("mcp_servers", [object()], "sets mcp_servers, which this version"),
        ("mcp_config", {"x": 1}, "sets mcp_config, which this version"),
        ("tools", [HostedMCPTool({**SERVER, "require_approval": "always"})], '"require_approval": "never"'),
        ("tools", [HostedMCPTool(SERVER, on_approval_request=body)], '"require_approval": "never"'),
        ("tools", [body], "among its tools, of type function"),
        ("tools", [agents.WebSearchTool()], "from perdure import WebSearchTool"),
        ("input_guardrails", [body], "among its input_guardrails, of type function"),
        ("output_guardrails", [5], "among its output_guardrails, of type int"),
        ("handoffs", [5], "among its handoffs, of type int"),
        ("handoffs", [agents.Agent(name="B")], "from perdure import Agent"),
        ("tool_use_behavior", {"stop_at_tools": ["look"]}, "stop_at_tool_names"),
    ],
)
def test_what_an_agent_cannot_use_is_refused_wherever_it_comes_from(field: str, value: Any, said: str) -> None:
    other = Agent[Any](name="Other")
    setattr(other, field, value)
    for start in (other, agent(handoffs=[other]), agent(tools=[other.as_tool("other", "Other.")])):
        with pytest.raises(UserError, match=said):
            snapshot(start, RunConfig())


def test_a_function_tool_of_the_agents_sdk_is_refused_with_what_to_change() -> None:
    tool: Any = agents.function_tool(body)
    with pytest.raises(UserError, match="from perdure import FunctionTool"):
        snapshot(agent(tools=[tool]), RunConfig())


def test_what_a_run_cannot_use_is_refused() -> None:
    guardrails: Any = [body]
    with pytest.raises(UserError, match="among its input_guardrails, of type function"):
        snapshot(agent(), RunConfig(input_guardrails=guardrails))


def test_a_definition_has_what_the_runs_provider_says_in_plain_values() -> None:
    config = RunConfig(model_provider=MultiProvider(openai_use_responses=False, openai_api_key="secret"))
    assert defined(agent(), config).provider == {"openai_use_responses": False}
    assert defined(agent()).provider is None
