"""Ready-made input filters and instructions."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.extensions.handoff_filters import remove_all_tools
from perdure.extensions.handoff_prompt import RECOMMENDED_PROMPT_PREFIX, prompt_with_handoff_instructions
from perdure.handoff import HandoffInputData
from perdure.items import (
    CompactionItem,
    HandoffCallItem,
    HandoffOutputItem,
    InputItem,
    MCPApprovalRequestItem,
    MCPApprovalResponseItem,
    MCPListToolsItem,
    MessageOutputItem,
    ReasoningItem,
    RunItem,
    ToolCallItem,
    ToolCallOutputItem,
    ToolSearchCallItem,
    ToolSearchOutputItem,
)

AGENT: Agent[Any] = Agent(name="Triage")
SAID: tuple[RunItem, ...] = (MessageOutputItem(AGENT, {}), InputItem(AGENT, {}), CompactionItem(AGENT, {}))
DONE: tuple[RunItem, ...] = (
    ReasoningItem(AGENT, {}),
    ToolCallItem(AGENT, {}),
    ToolCallOutputItem(AGENT, {}, "x"),
    HandoffCallItem(AGENT, {}),
    HandoffOutputItem(AGENT, {}, AGENT, AGENT),
    ToolSearchCallItem(AGENT, {}),
    ToolSearchOutputItem(AGENT, {}),
    MCPListToolsItem(AGENT, {}),
    MCPApprovalRequestItem(AGENT, {}),
    MCPApprovalResponseItem(AGENT, {}),
)
TYPES = [
    *("message", "reasoning", "function_call", "function_call_output", "computer_call", "computer_call_output"),
    *("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "local_shell_call"),
    *("local_shell_call_output", "shell_call", "shell_call_output", "apply_patch_call", "apply_patch_call_output"),
    *("mcp_call", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "custom_tool_call"),
    *("custom_tool_call_output", "compaction", "item_reference", "program", "program_output", "tool_search_call"),
    *("tool_search_output", "hosted_tool_call", "a_kind_of_tomorrow"),
]


def test_without_tools_the_next_agent_sees_what_was_said() -> None:
    context = RunContextWrapper(None)
    filtered = remove_all_tools(HandoffInputData("hi", SAID + DONE, DONE + SAID, context, SAID + DONE))
    assert filtered == HandoffInputData("hi", SAID, SAID, context, SAID)


def test_input_items_that_are_not_set_stay_unset() -> None:
    assert remove_all_tools(HandoffInputData("hi", DONE, DONE)).input_items is None


def test_tools_go_from_the_history_too() -> None:
    history: Any = ({"role": "user", "content": "hi"}, {"type": "function_call"}, {"type": "function_call_output"})
    assert remove_all_tools(HandoffInputData(history, (), ())).input_history == history[:1]


def test_what_counts_as_a_tools_is_what_the_agents_sdk_says() -> None:
    pytest.importorskip("agents")
    from agents.extensions import handoff_filters
    from agents.handoffs import HandoffInputData as TheirData

    history: Any = tuple({"type": kind} for kind in TYPES)
    theirs = handoff_filters.remove_all_tools(TheirData(history, (), ())).input_history
    assert remove_all_tools(HandoffInputData(history, (), ())).input_history == theirs


def test_instructions_begin_with_how_handoffs_work() -> None:
    assert prompt_with_handoff_instructions("Help.") == f"{RECOMMENDED_PROMPT_PREFIX}\n\nHelp."
    assert "transfer_to_" in RECOMMENDED_PROMPT_PREFIX
