"""The contexts that user code is handed."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import ResponseFunctionToolCall

from perdure.agent import Agent
from perdure.context import AgentHookContext, RunContextWrapper, ToolContext
from perdure.errors import UserError
from perdure.items import ToolApprovalItem
from perdure.usage import Usage

KINDS = [RunContextWrapper, AgentHookContext, ToolContext]


@pytest.mark.parametrize("kind", KINDS)
def test_a_context_is_the_first_attempts_unless_it_says_otherwise(kind: type[Any]) -> None:
    assert kind(None).attempt == 1
    assert kind(None, attempt=2).attempt == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_context_can_be_made_of_the_users_object_alone(kind: type[Any]) -> None:
    made = kind(context="shop")
    assert (made.context, made.usage, made.turn_input, made.tool_input) == ("shop", Usage(), [], None)


@pytest.mark.parametrize("kind", KINDS)
def test_contexts_are_told_apart_by_identity(kind: type[Any]) -> None:
    assert kind(None) != kind(None)
    assert len({kind(None), kind(None)}) == 2


def test_a_run_context_takes_usage_and_turn_input_by_position() -> None:
    usage = Usage(requests=1)
    made = RunContextWrapper("shop", usage, [{"role": "user"}])
    assert (made.usage, made.turn_input) == (usage, [{"role": "user"}])


def test_a_tool_context_takes_the_call_by_position() -> None:
    made = ToolContext("shop", Usage(), "refund", "c1", "{}")
    assert (made.tool_name, made.tool_call_id, made.tool_arguments) == ("refund", "c1", "{}")


def test_a_tool_context_takes_the_turns_input_by_name() -> None:
    assert ToolContext(None, turn_input=[{"role": "user"}]).turn_input == [{"role": "user"}]


def test_a_tool_context_has_the_call_as_openais_object() -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "refund", "arguments": "{}"}
    made = ToolContext(None, Usage(), "refund", "c1", "{}", call)
    assert isinstance(made.tool_call, ResponseFunctionToolCall)
    assert (made.tool_call.call_id, made.tool_call.arguments) == ("c1", "{}")
    assert made.tool_call is made.tool_call
    assert ToolContext(None).tool_call is None


def test_a_tools_qualified_name_has_its_namespace() -> None:
    assert ToolContext(None, tool_name="refund").qualified_tool_name == "refund"
    assert ToolContext(None, tool_name="refund", tool_namespace="shop").qualified_tool_name == "shop.refund"


@pytest.mark.parametrize("kind", KINDS)
def test_a_context_decides_nothing_and_says_who_does(kind: type[Any]) -> None:
    item = ToolApprovalItem(Agent(name="A"), {"name": "pay", "call_id": "c1"}, id="1.0", digest="abc")
    for decide in (kind(None).approve_tool, kind(None).reject_tool):
        with pytest.raises(UserError, match=r"RunState\.approve"):
            decide(item)
    with pytest.raises(UserError, match=r"RunState\.approve"):
        kind(None).is_tool_approved("pay", "c1")
