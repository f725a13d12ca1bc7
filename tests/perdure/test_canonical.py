"""JSON in one form."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.canonical import canonical, clean_text, encode
from perdure.errors import UserError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=20,
)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@given(JSON)
@settings(max_examples=200, derandomize=True, deadline=None)
def test_what_was_made_canonical_once_is_never_changed_again(value: Any) -> None:
    data = canonical(value)
    assert canonical(json.loads(data)) == data
    assert encode(json.loads(data)) == data


@given(JSON)
@settings(max_examples=100, derandomize=True, deadline=None)
def test_every_reader_of_json_can_read_it(value: Any) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads(canonical(value).decode("utf-8"), parse_constant=refuse)


def test_text_stays_text_without_escapes_or_spaces() -> None:
    assert canonical({"a": ["é", "日", "🙂"], "b": None}) == '{"a":["é","日","🙂"],"b":null}'.encode()


def test_the_order_of_fields_is_kept() -> None:
    assert canonical({"b": 1, "a": 2}) == b'{"b":1,"a":2}'


@pytest.mark.parametrize("text", ["\ud83d", "a\udc00b", "\ud83d\ud83d"])
def test_half_surrogates_become_question_marks(text: str) -> None:
    expected = "".join("?" if 0xD800 <= ord(character) < 0xE000 else character for character in text)
    assert clean_text(text) == expected
    assert json.loads(canonical({text: text})) == {expected: expected}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_become_null(number: float) -> None:
    assert canonical([number, 1.5]) == b"[null,1.5]"


@pytest.mark.parametrize("value", [True, False, 0, -1, 1.0, 1e-300, -0.0, 10**30, "", [], {}])
def test_a_value_keeps_its_kind(value: Any) -> None:
    read = json.loads(canonical(value))
    assert (type(read), read) == (type(value), value)


def test_names_of_fields_become_text() -> None:
    assert canonical({1: "a", None: "b"}) == b'{"1":"a","None":"b"}'


def test_a_tuple_is_a_list() -> None:
    assert canonical((1, (2,))) == b"[1,[2]]"


def test_64_levels_are_kept_and_65_refused() -> None:
    assert json.loads(canonical(nested(64))) == nested(64)
    with pytest.raises(UserError, match="nested more than 64 deep"):
        canonical(nested(65))


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UserError, match="deep"):
        canonical(endless)


def test_an_integer_that_python_would_not_read_back_is_refused() -> None:
    assert json.loads(canonical(10**3000)) == 10**3000
    for number in (10**4300, -(10**4300)):
        with pytest.raises(UserError, match="send it as a string"):
            canonical({"n": number})


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), 1j, json])
def test_what_is_no_json_is_refused_by_its_type(value: Any) -> None:
    with pytest.raises(UserError, match=f"A value of type {type(value).__name__} is not JSON"):
        canonical({"a": [value]})


def test_the_value_itself_is_left_alone() -> None:
    value = {"a": [math.nan, "\ud83d"]}
    canonical(value)
    assert math.isnan(value["a"][0])  # type: ignore[arg-type]  # a list of both kinds
    assert value["a"][1] == "\ud83d"
