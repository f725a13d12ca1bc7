"""The contexts that user code is handed."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.context import AgentHookContext, RunContextWrapper, ToolContext
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
