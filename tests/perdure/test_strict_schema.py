"""Strict schemas: equal to the Agents SDK's where it has one, refused with a reason where there is none."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from agents.strict_schema import ensure_strict_json_schema as sdk_strict

from perdure.errors import UserError
from perdure.strict_schema import ensure_strict_json_schema

STRING = {"type": "string"}
OPEN = {"type": "object", "properties": {"q": {"type": "integer"}}}


def with_property(a: Any, **root: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": a}, **root}


EXPRESSIBLE: dict[str, dict[str, Any]] = {
    "empty": {},
    "bare object": {"type": "object"},
    "not an object": STRING,
    "no type": {"properties": {"a": STRING}},
    "required is rewritten": with_property(STRING, required=["other"]),
    "nested object": with_property(OPEN),
    "nullable object": with_property({"type": ["object", "null"], "properties": {"b": OPEN}}),
    "array of objects": with_property({"type": "array", "items": OPEN}),
    "tuple": with_property({"type": "array", "prefixItems": [OPEN]}),
    "null default": with_property({"type": "string", "default": None}),
    "other default": with_property({"type": "string", "default": "x"}),
    "any of": with_property({"anyOf": [OPEN, {"type": "null"}]}),
    "one of": with_property({"oneOf": [OPEN, {"type": "null"}], "description": "d"}),
    "any of and one of": with_property({"anyOf": [STRING], "oneOf": [{"type": "null"}]}),
    "all of one": with_property({"allOf": [OPEN], "description": "d"}),
    "all of one reference": with_property({"allOf": [{"$ref": "#/$defs/A"}]}, **{"$defs": {"A": OPEN}}),
    "all of two": with_property({"allOf": [OPEN, {"type": "object"}]}),
    "lone reference": with_property({"$ref": "#/$defs/A"}, **{"$defs": {"A": OPEN}}),
    "reference with description": with_property(
        {"$ref": "#/definitions/A", "description": "d"}, definitions={"A": OPEN | {"description": "inner"}}
    ),
    "reference with null default": with_property({"$ref": "#/$defs/A", "default": None}, **{"$defs": {"A": OPEN}}),
    "reference into a definition": with_property(
        {"$ref": "#/$defs/A/properties/q", "title": "t"}, **{"$defs": {"A": OPEN}}
    ),
    "reference to a reference": with_property(
        {"$ref": "#/$defs/A", "title": "t"}, **{"$defs": {"A": {"$ref": "#/$defs/B"}, "B": OPEN}}
    ),
    "escaped reference": with_property({"$ref": "#/$defs/a~1b", "title": "t"}, **{"$defs": {"a/b": STRING}}),
    "lone recursive reference": with_property({"$ref": "#"}),
    "properties named as keywords": {"type": "object", "properties": {"$ref": STRING, "default": STRING, "type": OPEN}},
    "data that looks like a schema": with_property({"enum": [{"type": "object"}], "examples": [{"default": None}]}),
}


@pytest.mark.parametrize("schema", EXPRESSIBLE.values(), ids=EXPRESSIBLE.keys())
def test_a_schema_becomes_the_one_that_the_agents_sdk_sends(schema: dict[str, Any]) -> None:
    assert ensure_strict_json_schema(schema) == sdk_strict(copy.deepcopy(schema))


@pytest.mark.parametrize("schema", EXPRESSIBLE.values(), ids=EXPRESSIBLE.keys())
def test_making_a_strict_schema_strict_changes_nothing(schema: dict[str, Any]) -> None:
    once = ensure_strict_json_schema(schema)

    assert ensure_strict_json_schema(once) == once


@pytest.mark.parametrize("schema", EXPRESSIBLE.values(), ids=EXPRESSIBLE.keys())
def test_the_given_schema_is_left_as_it_is(schema: dict[str, Any]) -> None:
    before = copy.deepcopy(schema)

    ensure_strict_json_schema(schema)

    assert schema == before


NAMES_ITSELF = {"type": "object", "properties": {"n": {"$ref": "#/$defs/N", "description": "deeper"}}}
REFUSED: dict[str, tuple[Any, str]] = {
    "free keys": (with_property({"type": "object", "additionalProperties": STRING}), "'properties.a' allows"),
    "free keys at the root": ({"type": "object", "additionalProperties": True}, "The root allows"),
    "free keys without type": (with_property({"additionalProperties": True}), "'properties.a' allows"),
    "free keys in a definition": ({"type": "object", "$defs": {"A": {"additionalProperties": {}} | OPEN}}, "defs.A"),
    "nullable root": ({"type": ["object", "null"]}, "plain object"),
    "choice at the root": ({"anyOf": [OPEN]}, "Wrap it"),
    "anything": (with_property(True), "'properties.a' is True"),
    "not a schema": ([1], r"The root is \[1\]"),
    "no such definition": (with_property({"$ref": "#/$defs/Z", "title": "t"}), "'#/\\$defs/Z', which"),
    "reference elsewhere": (with_property({"$ref": "https://x.test/y", "title": "t"}), "inside the schema"),
    "described recursion": (with_property({"$ref": "#/$defs/N"}, **{"$defs": {"N": NAMES_ITSELF}}), "without end"),
}


@pytest.mark.parametrize(("schema", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_shape_that_strict_mode_cannot_express_is_refused_with_its_place(schema: Any, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        ensure_strict_json_schema(schema)


def test_definitions_that_double_at_each_step_are_refused_before_they_fill_the_memory() -> None:
    defs: dict[str, Any] = {"D30": {"type": "string"}}
    for level in range(30):
        following = {"$ref": f"#/$defs/D{level + 1}", "title": "t"}
        defs[f"D{level}"] = {"type": "object", "properties": {"a": following, "b": following}}

    with pytest.raises(UserError, match="too large"):
        ensure_strict_json_schema({"type": "object", "properties": {"a": {"$ref": "#/$defs/D0"}}, "$defs": defs})
