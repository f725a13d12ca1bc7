"""Agents."""

from __future__ import annotations

import dataclasses
from typing import Any

import agents
import pytest

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.errors import UserError
from perdure.hooks import RunHooks
from perdure.hosted_tools import WebSearchTool
from perdure.settings import ModelSettings
from perdure.tool import Tool, function_tool


@function_tool
def look() -> str:
    """Looks."""
    return "seen"


def test_a_name_is_all_an_agent_needs() -> None:
    agent: Agent[Any] = Agent(name="Support")
    assert (agent.tools, agent.handoffs, agent.model, agent.instructions) == ([], [], None, None)
    assert (agent.model_settings, agent.tool_use_behavior, agent.reset_tool_choice) == (
        ModelSettings(),
        "run_llm_again",
        True,
    )


def test_two_agents_share_no_lists() -> None:
    first: Agent[Any] = Agent(name="A")
    first.tools.append(look)
    assert Agent[Any](name="B").tools == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 5),
        ("name", None),
        ("tools", (look,)),
        ("tools", None),
        ("handoffs", "Other"),
        ("model", 5),
        ("model_settings", 5),
        ("handoff_description", 5),
        ("mcp_servers", None),
        ("mcp_config", None),
        ("prompt", 5),
        ("input_guardrails", None),
        ("output_guardrails", (look,)),
        ("output_type", "Answer"),
        ("output_type", 5),
        ("hooks", RunHooks()),
        ("tool_use_behavior", "bogus"),
        ("tool_use_behavior", 5),
        ("reset_tool_choice", "no"),
        ("instructions", 5),
    ],
)
def test_a_field_of_the_wrong_type_is_named(field: str, value: Any) -> None:
    fields = {"name": "Support", field: value}
    with pytest.raises(TypeError, match=f"Agent {field} must be .*, got {type(value).__name__}"):
        Agent(**fields)


def test_a_clone_differs_in_what_was_changed_and_shares_its_lists() -> None:
    tools: list[Tool] = [look]
    agent: Agent[Any] = Agent(name="A", instructions="Help.", tools=tools)
    clone = agent.clone(name="B")
    assert (clone.name, clone.instructions, agent.name) == ("B", "Help.", "A")
    assert clone.tools is tools


def test_a_clone_is_checked_too() -> None:
    with pytest.raises(TypeError, match="Agent name"):
        Agent[Any](name="A").clone(name=5)


@pytest.mark.parametrize("behavior", [{"stop_at_tools": ["look"]}, {"stop_at_tool_names": "look"}, {}])
def test_a_behaviour_that_could_never_stop_the_run_is_refused(behavior: Any) -> None:
    with pytest.raises(UserError, match="stop_at_tool_names"):
        Agent[Any](name="A", tool_use_behavior=behavior)


@pytest.mark.parametrize("output_type", [int | str, list[int], dict, None])
def test_an_output_type_is_a_type_or_what_types_are_made_of(output_type: Any) -> None:
    assert Agent[Any](name="A", output_type=output_type).output_type is output_type


def test_settings_may_be_given_as_a_mapping() -> None:
    settings: Any = {"temperature": 0.5}
    assert Agent[Any](name="A", model_settings=settings).model_settings == ModelSettings(temperature=0.5)


def test_an_unknown_setting_is_named() -> None:
    settings: Any = {"bogus": 1}
    with pytest.raises(TypeError, match="Unknown model settings: bogus"):
        Agent[Any](name="A", model_settings=settings)


def test_settings_of_the_agents_sdk_are_refused_with_what_to_change() -> None:
    settings: Any = agents.ModelSettings()
    with pytest.raises(TypeError, match="from perdure import ModelSettings"):
        Agent[Any](name="A", model_settings=settings)


CONTEXT: RunContextWrapper[Any] = RunContextWrapper("shop")


async def test_an_agent_tells_its_instructions() -> None:
    async def later(context: Any, agent: Any) -> str:
        return f"{agent.name} of {context.context}"

    assert await Agent[Any](name="A").get_system_prompt(CONTEXT) is None
    assert await Agent[Any](name="A", instructions="Help.").get_system_prompt(CONTEXT) == "Help."
    assert await Agent[Any](name="A", instructions=later).get_system_prompt(CONTEXT) == "A of shop"


async def test_instructions_of_other_parameters_are_a_type_error() -> None:
    wrong: Any = lambda context: "Help."  # noqa: E731  a function of one parameter
    with pytest.raises(TypeError, match="context, agent"):
        await Agent[Any](name="A", instructions=wrong).get_system_prompt(CONTEXT)


async def test_an_agent_tells_its_prompt() -> None:
    assert await Agent[Any](name="A").get_prompt(CONTEXT) is None
    prompt = await Agent[Any](name="A", prompt=lambda data: {"id": data.agent.name}).get_prompt(CONTEXT)
    assert prompt == {"id": "A", "version": None, "variables": None}


async def test_an_agent_tells_the_tools_that_are_switched_on() -> None:
    async def off(context: Any, agent: Any) -> bool:
        return False

    hidden = [dataclasses.replace(look, name="hidden", is_enabled=rule) for rule in (False, off)]
    search = WebSearchTool()
    agent: Agent[Any] = Agent(name="A", tools=[look, *hidden, search])
    assert await agent.get_all_tools(CONTEXT) == [look, search]
    assert await agent.get_mcp_tools(CONTEXT) == []
