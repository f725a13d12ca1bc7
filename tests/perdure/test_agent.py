"""Agents."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.agent import Agent
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
        ("model_settings", {"temperature": 1}),
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
