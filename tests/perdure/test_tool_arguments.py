"""A model's JSON comes back as the function's arguments, or is refused; so are functions that cannot be tools."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, field_validator
from typing_extensions import TypedDict

from perdure.context import RunContextWrapper, ToolContext
from perdure.errors import ModelBehaviorError, UserError
from perdure.tool_schema import function_schema


class Address(BaseModel):
    street: str
    zip: str | None = None


class Person(BaseModel):
    name: str
    home: Address


class Place(TypedDict):
    latitude: float


@dataclasses.dataclass
class Parcel:
    weight: int
    label: str = "x"


def models(person: Person, address: Address, parcel: Parcel, place: Place): ...


def defaults(a: int = 3, b: str | None = "y"): ...


def keyword_only(a: int, /, b: str, *, c: str, d: int = 2): ...


def keywords(a: int, *args: str, **kwargs: int): ...


def free_keys(a: dict[str, int]): ...


def test_arguments_come_back_as_the_types_of_the_function() -> None:
    schema = function_schema(models)
    person = {"name": "Ana", "home": {"street": "s 1", "zip": None}}
    arguments = {"person": person, "address": person["home"], "parcel": {"weight": 1}, "place": {"latitude": 1}}

    positional, keyword = schema.bind(json.dumps(arguments))

    home = Address(street="s 1")
    assert positional == [Person(name="Ana", home=home), home, Parcel(1), {"latitude": 1.0}]
    assert keyword == {}


def test_each_argument_is_passed_as_the_signature_says() -> None:
    assert function_schema(keyword_only).bind('{"a": 1, "b": "x", "c": "y"}') == ([1, "x"], {"c": "y", "d": 2})


def test_variadic_arguments_are_spread() -> None:
    schema = function_schema(keywords, strict_json_schema=False)

    assert schema.bind('{"a": 1, "args": ["x", "y"], "kwargs": {"k": 2}}') == ([1, "x", "y"], {"k": 2})
    assert schema.bind('{"a": 1}') == ([1], {})


def test_an_empty_argument_string_is_an_empty_object() -> None:
    assert function_schema(defaults).bind("") == ([3, "y"], {})


class Checked(BaseModel):
    code: str

    @field_validator("code")
    @classmethod
    def _known(cls, value: str) -> str:
        raise ValueError(f"{value} is unknown")


def checked(a: int, b: Checked | None = None): ...


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"a": "SECRET"}', "a (int_parsing)"),
        ('{"SECRET": 1}', "a (missing)"),
        ('{"a": 1, "b": {"code": "SECRET"}}', "b (value_error)"),
        ('{"a": SECRET}', "Expecting value at line 1, column 7"),
        ('["SECRET"]', "expected a JSON object"),
        ('"SECRET"', "expected a JSON object"),
        ("null", "expected a JSON object"),
        ("[" * 100_000, "RecursionError"),
        ("9" * 5_000, "ValueError"),
    ],
)
def test_wrong_arguments_are_refused_without_repeating_them(arguments: str, reason: str) -> None:
    with pytest.raises(ModelBehaviorError) as refusal:
        function_schema(checked).bind(arguments)

    assert str(refusal.value) == f"Invalid JSON input for tool checked: {reason}"


def test_a_free_keyword_that_repeats_a_named_parameter_is_refused() -> None:
    with pytest.raises(ModelBehaviorError, match="kwargs repeats a named parameter"):
        function_schema(keywords, strict_json_schema=False).bind('{"a": 1, "kwargs": {"a": 2}}')


def late_context(a: int, ctx: ToolContext[Any]): ...


def optional_context(ctx: RunContextWrapper[Any] | None, a: int): ...


def private_name(_a: int): ...


def reserved_name(model_dump: int): ...


def unknown_type(a: Missing): ...  # noqa: F821  # the rule under test


def no_json(a: Callable[[], int]): ...


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (late_context, "'late_context' has the parameter 'ctx'.*must be the first parameter"),
        (optional_context, "never optional"),
        (private_name, "'private_name' has a parameter that"),
        (reserved_name, "'reserved_name' has a parameter that"),
        (unknown_type, "Import the name where the module runs"),
        (no_json, "'no_json' has a parameter that cannot be"),
        (keywords, r"\*\*kwargs, which a strict schema cannot express"),
        (free_keys, "'free_keys': 'properties.a' allows additional properties"),
        (functools.partial(defaults, 1), "Wrap it in a function"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_refused_with_what_to_change(
    function: Callable[..., Any], reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        function_schema(function)
