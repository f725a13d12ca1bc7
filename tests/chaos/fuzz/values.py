"""Texts and JSON that nobody expects, drawn by hypothesis or made by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

_T = TypeVar("_T")

HALF = "\ud83d"  # of a pair of surrogates, as a model emits it when its stream is cut
DEEP = 5000
LONG_INTEGER = int("9" * 4000) * 10**400  # 4,400 digits: made without parsing them, which Python refuses
TEN_MEGABYTES = 10 * 1024 * 1024


def drawn(strategy: st.SearchStrategy[_T], count: int, seed_of_them: int) -> list[_T]:
    """So many values; the same for the same seed."""
    found: list[_T] = []

    @seed(seed_of_them)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def keep(value: _T) -> None:
        found.append(value)

    keep()
    return [found[number % len(found)] for number in range(count)]


def nested(depth: int, inner: Any = None) -> Any:
    """Lists in lists."""
    for _ in range(depth):
        inner = [inner]
    return inner


TEXTS = [
    "",
    HALF,
    f"a{HALF}b\udc00",
    "\x00",
    "a\x00b",
    "\u202eevil\u202c",
    "e" + "\u0301" * 10_000,
    "`*_[]<>#|\n```json",
    "{" * 10_000,
    "\U0001f600" * 400,
    "x" * 5_000,
    "ü" * 70_000,
    "\\",
    "%s %d {0} {name!r}",
    "__temporal_x",
    "1.0",
    "\ufeff",
    "\r\n\x1b[2J\x07",
]
"""Texts by hand."""

BIG_TEXT = "0123456789abcdef" * (TEN_MEGABYTES // 16)

JSON_TEXTS = [
    '{"a": "\\ud83d"}',
    '{"\\ud83d": 1}',
    '{"a": NaN, "b": Infinity, "c": -Infinity}',
    '{"a": 1e400}',
    '{"a": ' + "9" * 4400 + "}",
    '{"a": ' + "9" * 4000 + "}",
    '{"a": ' + "[" * DEEP + "]" * DEEP + "}",
    '{"a": ' + "[" * 300 + "]" * 300 + "}",
    '{"a": ' + "[" * 70 + "]" * 70 + "}",
    "[" * DEEP + "]" * DEEP,
    '{"a": ' * 200 + "1" + "}" * 200,
    "[]",
    "null",
    "7",
    '"text"',
    "",
    " ",
    "{",
    '{"a": 1, "a": 2}',
    '{"": ""}',
    '{"a\\u0000b": "\\u0000"}',
    "{'a': 1}",
    "\ufeff{}",
    '{"a": "' + "x" * 100_000 + '"}',
    '{"' + "k" * 100_000 + '": 1}',
    json.dumps({f"k{n}": n for n in range(20_000)}),
    '{"__proto__": {}, "self": 1, "ctx": 2, "context": 3, "args": [], "kwargs": {}}',
]
"""Texts that are JSON, or nearly."""

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True),
    st.text(st.characters(exclude_categories=()), max_size=20),
    st.sampled_from(TEXTS[:9]),
)
texts = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=200),
    st.sampled_from(TEXTS),
    st.sampled_from(JSON_TEXTS),
)
"""Texts, half surrogates among them."""

json_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.text(st.characters(exclude_categories=()), max_size=10), inner, max_size=5),
    ),
    max_leaves=12,
)
"""JSON, and what Python takes for it: NaN, half surrogates."""

json_texts = st.one_of(st.sampled_from(JSON_TEXTS), json_values.map(json.dumps), texts)
"""The text of JSON, or of something else."""


@st.composite
def spoilt(draw: st.DrawFn, genuine: Any) -> Any:
    """A copy of a JSON value in which one thing, anywhere, is missing or another."""
    copy = json.loads(json.dumps(genuine))
    owner, key = draw(st.sampled_from(list(places(copy))))
    other = owner[key]
    new = draw(st.one_of(json_values, st.sampled_from(_SPOILERS), st.just(MISSING), st.just([other, other])))
    if new is MISSING:
        del owner[key]
    else:
        owner[key] = new
    return copy


MISSING: Any = object()
_SPOILERS: list[Any] = [
    None, True, 0, -1, 1, 2**63, 10**3999, 1e308, -1e308, 5e-324, "", "x" * 300, "\U0001f600" * 300, "\x00", "1.0",
    "x" * 300_000, [], {}, [[]], {"": None}, nested(60), nested(80), nested(250), "9.9", "Nobody",
]  # fmt: skip  # one a line would take a page


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place in a JSON value: what holds it, and its key or number there."""
    entries = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, inner in entries:
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)
