"""The chain of a transcript."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.transcript import chain, chain_start

START = chain_start("default", "run-1", "first", "", 0)
ITEMS = st.lists(st.binary(max_size=20), max_size=6)


def test_the_chain_is_sha256_of_digest_length_and_bytes() -> None:
    first = hashlib.sha256(bytes.fromhex(START) + b"\x00\x00\x00\x00\x00\x00\x00\x02" + b"{}").hexdigest()
    second = hashlib.sha256(bytes.fromhex(first) + b"\x00\x00\x00\x00\x00\x00\x00\x07" + b'{"a":1}').hexdigest()
    assert chain(START, [b"{}", b'{"a":1}']) == second


def test_the_start_is_sha256_of_the_names_each_with_its_length() -> None:
    named = b"perdure transcript"
    for name in (b"ns", "wörk".encode(), b"x", b"A/B", b"3"):
        named += len(name).to_bytes(8, "big") + name
    assert chain_start("ns", "wörk", "x", "A/B", 3) == hashlib.sha256(named).hexdigest()


def test_a_chain_without_items_is_its_start() -> None:
    assert chain(START, []) == START


@given(ITEMS, ITEMS)
@settings(max_examples=100, derandomize=True, deadline=None)
def test_a_chain_may_be_continued_anywhere(first: list[bytes], second: list[bytes]) -> None:
    assert chain(chain(START, first), second) == chain(START, first + second)


@given(ITEMS, ITEMS)
@settings(max_examples=100, derandomize=True, deadline=None)
def test_only_the_same_items_in_the_same_order_have_the_same_digest(first: list[bytes], second: list[bytes]) -> None:
    assert (chain(START, first) == chain(START, second)) == (first == second)


@pytest.mark.parametrize(
    ("one", "other"),
    [([b"ab", b"c"], [b"a", b"bc"]), ([b"ab"], [b"a", b"b"]), ([b"a", b"b"], [b"b", b"a"]), ([b""], [])],
)
def test_order_and_borders_of_items_matter(one: list[bytes], other: list[bytes]) -> None:
    assert chain(START, one) != chain(START, other)


@pytest.mark.parametrize(
    "names",
    [
        ("other", "run-1", "first", "", 0),
        ("default", "run-2", "first", "", 0),
        ("default", "run-1", "second", "", 0),
        ("default", "run-1", "first", "Nested", 0),
        ("default", "run-1", "first", "", 1),
        ("defaultr", "un-1", "first", "", 0),
    ],
)
def test_each_transcript_has_a_start_of_its_own(names: tuple[str, str, str, str, int]) -> None:
    assert chain_start(*names) != START
