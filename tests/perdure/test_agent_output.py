"""The type of a final output, on the wire and back."""

from __future__ import annotations

import enum
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from typing import TypedDict as StandardTypedDict

import agents
import pytest
from pydantic import BaseModel, Field, field_validator
from typing_extensions import TypedDict, override

from perdure.agent_output import (
    AgentOutputSchema,
    AgentOutputSchemaBase,
    dump_output,
    output_schema_of,
    to_wire,
    validate_python,
)
from perdure.errors import ModelBehaviorError, UserError


class Weather(BaseModel):
    """The weather in a city."""

    city: str
    degrees: int | None = None


class Aliased(BaseModel):
    degrees: int = Field(alias="temperature")


@dataclass
class Point:
    x: int
    names: list[str]


class Place(TypedDict):
    city: str


class NotForPydantic(StandardTypedDict):
    city: str


class Colour(enum.Enum):
    RED = "red"


class Shouted(AgentOutputSchemaBase):
    """A schema of a user's own."""

    @override
    def is_plain_text(self) -> bool:
        return False

    @override
    def name(self) -> str:
        return "Shouted"

    @override
    def json_schema(self) -> dict[str, Any]:
        return {"type": "object"}

    @override
    def is_strict_json_schema(self) -> bool:
        return False

    @override
    def validate_json(self, json_str: str) -> Any:
        value = json.loads(json_str)
        if not isinstance(value, str):
            raise ModelBehaviorError("not a text")
        return value.upper()


TYPES = [
    Weather, Point, Place, Aliased, list[Weather], dict[str, int], Mapping[str, int], int, bool, Any, Colour,
    tuple[int, str], Weather | Point, list[int] | None, Weather | None, Literal["a", "b"], str, None,
]  # fmt: skip


def outcome(call: Any) -> Any:
    try:
        return call()
    except Exception as error:  # noqa: BLE001  what is compared is which error it is
        return type(error).__name__


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("output_type", TYPES, ids=str)
def test_name_schema_and_strictness_are_those_of_the_agents_sdk(output_type: Any, strict: bool) -> None:
    theirs = outcome(lambda: agents.AgentOutputSchema(output_type, strict_json_schema=strict))
    ours = outcome(lambda: AgentOutputSchema(output_type, strict_json_schema=strict))

    if isinstance(theirs, str):
        assert ours == theirs
    else:
        for method in ("name", "is_plain_text", "is_strict_json_schema", "json_schema"):
            assert outcome(getattr(ours, method)) == outcome(getattr(theirs, method)), method


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        '{"city": "Rome"}', '{"city": "Rome", "degrees": "1"}', '{"city": "Rome", "more": 1}', "[]", "", "Rome",
        '{"city": "Rome"} and more', '{"response": [1]}', '{"response": null}', '{"response": "red"}',
        '{"response": {"x": 1.0, "names": []}}', '{"response": [1, "a"]}', '{"response": true}', '{"temperature": 1}',
    ],
)  # fmt: skip
def test_texts_mean_what_they_mean_to_the_agents_sdk(text: str, strict: bool) -> None:
    for output_type in (one for one in TYPES if one not in (str, None)):
        if strict and output_type in (dict[str, int], Mapping[str, int]):
            continue
        theirs = agents.AgentOutputSchema(output_type, strict_json_schema=strict)
        ours = AgentOutputSchema(output_type, strict_json_schema=strict)

        expected = outcome(lambda schema=theirs: schema.validate_json(text))
        assert outcome(lambda schema=ours: schema.validate_json(text)) == expected, output_type


def test_an_error_names_the_field_and_hides_what_the_model_wrote() -> None:
    with pytest.raises(ModelBehaviorError) as caught:
        AgentOutputSchema(Weather).validate_json('{"city": "Rome", "degrees": "secret"}')

    assert "of Weather (degrees (int_type))" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_name_that_the_model_made_up_is_hidden_too() -> None:
    with pytest.raises(ModelBehaviorError) as caught:
        AgentOutputSchema(dict[str, int], strict_json_schema=False).validate_json('{"secret": "x"}')

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["[" * 100_000, '"\ud800"', "\x00", '{"city": "\\ud800"}', "1" * 10_000])
def test_no_text_breaks_the_parser(text: str) -> None:
    with pytest.raises(ModelBehaviorError):
        AgentOutputSchema(Weather).validate_json(text)


def test_none_and_str_and_their_schemas_are_plain_text() -> None:
    for output_type in (None, str, AgentOutputSchema(str)):
        assert output_schema_of(output_type) is None


def test_a_schema_object_is_used_as_it_is() -> None:
    for schema in (AgentOutputSchema(int), Shouted()):
        assert output_schema_of(schema) is schema


def test_the_wire_has_the_strict_schema_under_a_fixed_name() -> None:
    schema = output_schema_of(list[int])

    assert schema is not None
    assert to_wire(schema) == {
        "type": "json_schema",
        "name": "final_output",
        "schema": {
            "properties": {"response": {"items": {"type": "integer"}, "title": "Response", "type": "array"}},
            "required": ["response"],
            "title": "OutputType",
            "type": "object",
            "additionalProperties": False,
        },
        "strict": True,
    }


def test_the_wire_of_an_own_schema_says_what_it_says() -> None:
    assert to_wire(Shouted()) == {
        "type": "json_schema",
        "name": "final_output",
        "schema": {"type": "object"},
        "strict": False,
    }


def test_a_type_that_cannot_be_strict_is_refused_with_the_way_out() -> None:
    with pytest.raises(UserError, match=r"AgentOutputSchema\(dict\[str, int\], strict_json_schema=False\)"):
        output_schema_of(dict[str, int])


REFUSED = [object(), "Nowhere"]
if sys.version_info < (3, 12):  # later ones tell pydantic enough
    REFUSED.append(NotForPydantic)


@pytest.mark.parametrize("output_type", REFUSED)
def test_what_has_no_schema_is_refused(output_type: Any) -> None:
    with pytest.raises(UserError, match="has no JSON schema"):
        AgentOutputSchema(output_type)


VALUES = [
    (Weather, Weather(city="Rome", degrees=3)),
    (Point, Point(1, ["a"])),
    (Place, {"city": "Rome"}),
    (Aliased, Aliased(temperature=3)),
    (list[int], [1, 2]),
    (Colour, Colour.RED),
    (tuple[int, str], (1, "a")),
    (list[int] | None, None),
    (dict[str, int], {"response": 1}),
    (Mapping[str, int], {"response": 1}),
    (bool, False),
]


@pytest.mark.parametrize(("output_type", "value"), VALUES, ids=str)
def test_what_is_dumped_is_read_back(output_type: Any, value: Any) -> None:
    schema = AgentOutputSchema(output_type, strict_json_schema=False)

    assert schema.validate_json(dump_output(schema, value)) == value
    assert validate_python(schema, value) == value


@pytest.mark.parametrize(
    ("output_type", "value", "meant"),
    [
        (Weather, {"city": "Rome"}, Weather(city="Rome")),
        (Point, {"x": 1, "names": []}, Point(1, [])),
        (list[int], {"response": [1]}, [1]),
    ],
    ids=lambda value: re.sub(r" at 0x\w+", "", str(value)),  # addresses differ from worker to worker
)
def test_a_handlers_data_becomes_a_value_of_the_type(output_type: Any, value: Any, meant: Any) -> None:
    assert validate_python(AgentOutputSchema(output_type), value) == meant


@pytest.mark.parametrize(
    ("output_type", "value"),
    [
        (Weather, {"city": 1}), (Weather, None), (Weather, "Rome"), (Weather, '{"city": "Rome"}'), (list[int], ["1"]),
        (list[int], {"response": ["1"]}), (Weather, object()), (float, float("nan")),
        (list[int], {"response": object()}),
    ],
    ids=lambda value: re.sub(r" at 0x\w+", "", str(value)),  # addresses differ from worker to worker
)  # fmt: skip
def test_a_handlers_value_of_another_type_is_refused(output_type: Any, value: Any) -> None:
    with pytest.raises(UserError) as caught:
        validate_python(AgentOutputSchema(output_type), value)

    assert str(caught.value) == "Invalid run error handler final_output for structured output."


def test_a_handlers_value_passes_an_own_schema() -> None:
    assert validate_python(Shouted(), "quiet") == "QUIET"
    with pytest.raises(UserError):
        validate_python(Shouted(), 5)


def test_a_validator_of_the_type_has_its_say() -> None:
    class Positive(BaseModel):
        number: int

        @field_validator("number")
        @classmethod
        def _is_positive(cls, value: int) -> int:
            if value <= 0:
                raise ValueError("not positive")
            return value

    with pytest.raises(ModelBehaviorError, match=r"number \(value_error\)"):
        AgentOutputSchema(Positive).validate_json('{"number": 0}')
