"""The key of an effect: what may happen only once, whoever asks for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure import DidNotHappen, UserError, function_tool
from perdure.effects import effect_key

SCHEMA: dict[str, Any] = {"properties": {"order": {"type": "string"}, "part": {"type": "integer", "default": 1}}}


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ('{"order": "7", "part": 2}', "pay:7:2"),
        ('{"part": 2.0, "order": "7", "more": 1}', "pay:7:2"),
        ('{"order": "7"}', "pay:7:1"),
        ('{"order": 7}', "pay:7:1"),
        ('{"order": "7:2"}', "pay:7%3A2:1"),
        ('{"order": "Straße/\\ud83d"}', "pay:Stra%C3%9Fe%2F%3F:1"),
        ('{"order": {"b": 1, "a": null}}', "pay:%7B%22a%22%3A null, %22b%22%3A 1%7D:1"),
        ('{"order": true}', "pay:true:1"),
    ],
)
def test_equal_arguments_make_equal_keys(arguments: str, key: str) -> None:
    assert effect_key("pay:{order}:{part}", arguments, SCHEMA) == key


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_different_arguments_never_make_the_same_key(a: str, b: str, c: str, d: str) -> None:
    schema = {"properties": {"a": {}, "b": {}}}
    one, other = (effect_key("{a}:{b}", json.dumps({"a": x, "b": y}), schema) for x, y in ((a, b), (c, d)))
    assert (one == other) == ((a, b) == (c, d))


def test_a_long_key_is_cut_and_stays_its_own() -> None:
    first, second = (effect_key("{order}", json.dumps({"order": "x" * 5000 + end}), SCHEMA) for end in "ab")
    assert len(first) < 300
    assert first != second


@pytest.mark.parametrize("arguments", ["{}", "[]", "nonsense", '{"part": 1}', "[" * 5000])
def test_arguments_that_no_call_has_have_no_key(arguments: str) -> None:
    with pytest.raises(DidNotHappen):
        effect_key("pay:{order}", arguments, SCHEMA)


@pytest.mark.parametrize(
    "key", ["pay:{oder}", "pay:{}", "pay:{0}", "pay:{order!r}", "pay:{order:>5}", "pay:{order.x}", "{", "", 7]
)
def test_a_key_that_no_call_could_have_is_refused_when_the_tool_is_made(key: Any) -> None:
    with pytest.raises(UserError, match="'pay' has key="):

        @function_tool(effect="once", key=key)
        def pay(order: str) -> str:
            return order


@pytest.mark.parametrize("options", [{"key": "pay"}, {"verify": lambda context, arguments: None}])
def test_what_only_tools_that_run_once_have_is_refused_of_others(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match='for effect="once"'):
        function_tool(lambda: "ok", name_override="pay", **options)
