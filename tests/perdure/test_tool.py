"""What a function tool is made of."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import agents
import pytest
from agents.models.openai_responses import Converter

from perdure.errors import UserError
from perdure.tool import FunctionTool, function_tool


def add(a: int, b: int = 3) -> int:
    """Adds."""
    return a + b


async def invoke(ctx: Any, arguments: str) -> str:
    return "done"


def test_the_decorator_works_with_and_without_parentheses() -> None:
    assert function_tool(add).name == function_tool()(add).name == function_tool(name_override="add")(add).name == "add"


@pytest.mark.parametrize("name", list(inspect.signature(agents.function_tool).parameters)[:15])
def test_the_decorator_has_the_options_of_the_agents_sdk(name: str) -> None:
    ours = inspect.signature(function_tool).parameters[name]
    theirs = inspect.signature(agents.function_tool).parameters[name]

    assert ours.kind == theirs.kind
    if name != "failure_error_function":  # whose default is a private marker there
        assert ours.default == theirs.default


def test_a_tool_has_the_fields_and_defaults_of_the_agents_sdk_in_their_order() -> None:
    ours = [(one.name, one.default) for one in dataclasses.fields(FunctionTool) if not one.kw_only]
    theirs = [(one.name, one.default) for one in dataclasses.fields(agents.FunctionTool)]

    missing = dataclasses.MISSING
    assert [(name, None if value is missing else value) for name, value in ours] == [
        (name, None if value is missing else value) for name, value in theirs[: len(ours)]
    ]


def test_the_name_and_description_can_be_given() -> None:
    tool = function_tool(add, name_override="plus", description_override="Sums up.")

    assert (tool.name, tool.description, tool.params_json_schema["title"]) == ("plus", "Sums up.", "plus_args")


def test_a_docstring_that_is_not_to_be_used_leaves_the_description_empty() -> None:
    assert function_tool(add, use_docstring_info=False).description == ""


def test_a_handmade_schema_is_made_strict_unless_told_otherwise() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}

    assert FunctionTool("t", "", schema, invoke).params_json_schema == schema | {
        "additionalProperties": False,
        "required": ["a"],
    }
    assert FunctionTool("t", "", schema, invoke, strict_json_schema=False).params_json_schema == schema


def test_a_tool_is_sent_as_the_agents_sdk_sends_it() -> None:
    sent = Converter.convert_tools([agents.function_tool(add)], []).tools

    assert [list(function_tool(add).to_wire().items())] == [list(one.items()) for one in sent]
    assert function_tool(add, defer_loading=True).to_wire()["defer_loading"] is True


@pytest.mark.parametrize(
    ("fields", "effect"),
    [
        ({}, "repeatable"),
        ({"needs_approval": True}, "once"),
        ({"needs_approval": lambda ctx, arguments, call_id: False}, "once"),
        ({"needs_approval": True, "effect": "repeatable"}, "repeatable"),
        ({"effect": "once"}, "once"),
    ],
)
def test_a_tool_with_approval_takes_effect_once_unless_it_says_otherwise(fields: Any, effect: str) -> None:
    assert function_tool(add, **fields).resolved_effect == effect


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"timeout_seconds": 0}, ValueError),
        ({"timeout_seconds": -1}, ValueError),
        ({"timeout_seconds": float("inf")}, ValueError),
        ({"timeout_seconds": float("nan")}, ValueError),
        ({"timeout_seconds": "3"}, TypeError),
        ({"timeout_seconds": True}, TypeError),
        ({"timeout_behavior": "ignore"}, ValueError),
        ({"timeout_error_function": "text"}, TypeError),
        ({"needs_approval": "yes"}, TypeError),
        ({"is_enabled": None}, TypeError),
        ({"effect": "twice"}, ValueError),
    ],
)
def test_a_field_that_makes_no_sense_is_refused_by_its_name(fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(fields))):
        FunctionTool("t", "", {}, invoke, **fields)


@pytest.mark.parametrize("name", ["", "  ", 3, "line\nbreak"])
def test_a_tool_needs_a_name_that_can_be_written(name: Any) -> None:
    with pytest.raises(UserError, match="A tool's name is"):
        FunctionTool(name, "", {}, invoke)


def test_a_sync_function_cannot_have_a_timeout() -> None:
    with pytest.raises(ValueError, match="sync function"):
        function_tool(add, timeout=1)
