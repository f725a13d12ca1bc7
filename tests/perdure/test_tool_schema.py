"""A function's schema equals the one that the Agents SDK makes of it."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired, Optional

import agents
import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from perdure.context import RunContextWrapper
from perdure.tool import function_tool
from perdure.tool_schema import DocstringStyle, function_schema, parse_docstring


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    """An address."""

    street: str = Field(description="With number.")
    zip: str | None = None


class Person(BaseModel):
    name: str
    home: Address = Field(description="Where to find them.")
    others: list[Address] = []


class Tree(BaseModel):
    value: int
    children: list[Tree] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Place(TypedDict):
    latitude: float
    longitude: NotRequired[float]


@dataclasses.dataclass
class Parcel:
    weight: int
    label: str = "x"


def no_parameters():
    """Does nothing."""


def without_docstring(a: int): ...


def defaults(
    a: int = 3,
    b: list[int] = [1],  # noqa: B006  # as users write it
    c: Optional[str] = "y",  # noqa: UP045  # as users write it
    d: float | None = None,
): ...


def choices(a: Literal["x", "y"], b: Colour = Colour.RED, c: Colour | None = None): ...


def lists(a: list[int], b: list[Person | None], c: tuple[int, str], d: set[int]): ...


def models(person: Person, address: Address, parcel: Parcel, place: Place):
    """Uses models.

    Args:
        person: The person.
        address: The address.
    """


def model_with_default(
    a: Address = Address(street="s"),  # noqa: B008  # as users write it
    b: Address | None = None,
): ...


def recursive(tree: Annotated[Tree, Field(description="The root.")]): ...


def discriminated(pet: Annotated[Cat | Dog, Field(discriminator="kind")]): ...


def dates(day: datetime.date, at: datetime.datetime, raw: bytes = b"x"): ...


def annotated(
    a: Annotated[int, Field(ge=1, description="from Field")],
    b: Annotated[str, "from a string"],
    c: Annotated[int, "a string wins", Field(description="over Field")],
    d: Annotated[str, "the docstring wins"],
    e: Annotated[list[int], Field(min_length=1)] = [2],  # noqa: B006  # as users write it
):
    """Described.

    Args:
        a: The docstring wins over Field.
        d: From the docstring.
    """


def field_defaults(a: int = Field(default=3, ge=0, description="d"), b: int = Field(..., alias="B"), c: str = "z"): ...


def untyped(a, b=3): ...


def anything(a: Any, b: object = None): ...


def keyword_only(a: int, /, b: str, *, c: str, d: int = 2): ...


def variadic(a: int, *args: int):
    """Sums.

    Args:
        a: The first.
        *args: The others.
    """


def with_context(ctx: RunContextWrapper[dict[str, Any]], a: int): ...


def google(a: int, b: str = "x"):
    """Summary over
    two lines.

    A second paragraph.

    Args:
        a (int): First,
            continued.
        b: Second: with a colon.

    Returns:
        Something.
    """


def numpy(a: int, b: str):
    """Summary.

    Parameters
    ----------
    a : int
        First.
    b : str
        Second.

    Returns
    -------
    str
        Something.
    """


def sphinx(a: int, b: str):
    """Summary.

    Longer.

    :param a: First.
    :param b: Second.
    :return: Something.
    """


def two_styles(a: int):
    """Summary.

    Args:
        a: google

    Returns:
        x

    :param a: sphinx
    """


STRICT = [no_parameters, without_docstring, defaults, choices, lists, models, model_with_default, recursive]
STRICT += [discriminated, dates, annotated, field_defaults, untyped, anything, keyword_only, variadic]
STRICT += [google, numpy, sphinx, two_styles]


def free_keys(a: dict[str, int], b: dict[str, Any] | None = None): ...


def keywords(a: int, *args: str, **kwargs: int):
    """Takes all.

    Args:
        a: The first.
        **kwargs: The others.
    """


def as_sent(tool: Any) -> str:
    """Name, description and schema, in the order in which they are sent."""
    return json.dumps([tool.name, tool.description, tool.params_json_schema, tool.strict_json_schema])


@pytest.mark.parametrize("function", STRICT)
@pytest.mark.parametrize("strict", [True, False])
def test_the_schema_is_the_one_of_the_agents_sdk(function: Callable[..., Any], strict: bool) -> None:
    assert as_sent(function_tool(function, strict_mode=strict)) == as_sent(
        agents.function_tool(function, strict_mode=strict)
    )


@pytest.mark.parametrize("function", [free_keys, keywords])
def test_a_schema_that_cannot_be_strict_is_the_one_of_the_agents_sdk(function: Callable[..., Any]) -> None:
    assert as_sent(function_tool(function, strict_mode=False)) == as_sent(
        agents.function_tool(function, strict_mode=False)
    )


@pytest.mark.parametrize("style", ["google", "numpy", "sphinx"])
@pytest.mark.parametrize("function", [google, numpy, sphinx, two_styles, variadic])
def test_a_named_docstring_style_reads_as_in_the_agents_sdk(
    function: Callable[..., Any], style: DocstringStyle
) -> None:
    assert as_sent(function_tool(function, docstring_style=style)) == as_sent(
        agents.function_tool(function, docstring_style=style)
    )


DOCSTRINGS = [
    "S.\n\nArgs:\n    a: g\n\n:param a: s",
    "S.\n\nArgs:\n    a: g\n\nRaises:\n    V: g\n\n:param a: s",
    "S.\n\nArguments:\n    a: g\n\nArgs:\n    a: h\n\n:rtype: s",
    "S.\n\nArgs:\n    a: g\n\n:returns: not a mark",
    "S.\n\nParameters\n----------\na : int\n    n\n\n:param a: s",
    "S.\n\nParameters\n----------\na : int\n    n\n\nArgs:\n    a: g",
    "S.\n\nParameters\n----------\na : int\n    n\n\nArgs:\n    a: g\n\nReturns:\n    x",
    "S.\n\nYields\n------\nint\n    x\n\nArgs:\n    a: g",
    "S.\n\nParams:\n    a: g\n\nKeyword Args:\n    b: k",
    "S.\n\n:param int a: first\n    continued",
    ":param a: only parameters",
    "S.\n\nArgs:\n    *a: g\n    **b: h\n    unknown: i\n\nTrailing text.",
    "   \n  ",
]


@pytest.mark.parametrize("text", DOCSTRINGS)
def test_the_docstring_style_is_found_as_in_the_agents_sdk(text: str) -> None:
    def function(a: int, b: str = "x"): ...

    function.__doc__ = text

    assert as_sent(function_tool(function)) == as_sent(agents.function_tool(function))


def test_a_function_without_docstring_has_no_description_and_no_parameters_described() -> None:
    docstring = parse_docstring(without_docstring)

    assert (docstring.description, docstring.parameters) == (None, {})


def test_the_context_is_not_part_of_the_schema() -> None:
    schema = function_schema(with_context)

    assert schema.takes_context
    assert list(schema.params_json_schema["properties"]) == ["a"]
