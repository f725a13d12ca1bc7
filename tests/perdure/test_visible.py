"""Text that shows all there is."""

from __future__ import annotations

import pytest

from perdure.visible import in_line, plain

ESCAPES = ["\x1b", "\x07", "\r", "\x9b"]
TURNING = ["\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069", "\u200e", "\u061c"]
INVISIBLE = ["\u200b", "\u2060", "\ufeff", "\u00ad", "\u2028", "\U000e0041", "\u3164", "\u034f", "\u200c", "\u200d"]


@pytest.mark.parametrize("hidden", [*ESCAPES, *TURNING, *INVISIBLE])
def test_a_character_that_cannot_be_seen_is_shown_as_an_escape(hidden: str) -> None:
    shown = plain(f"a{hidden}b")
    assert shown.isascii()
    assert shown.isprintable()
    assert f"{ord(hidden):04x}" in shown


@pytest.mark.parametrize(
    "text", ["größer", "日本", "שלום", "क्\u200dष", "👩\u200d👧", "❤\ufe0f", "1\ufe0f\u20e3", "a\tb\nc", ""]
)
def test_text_of_any_language_is_shown_as_it_is(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize("text", ["👩\u200d\u200d👧", "❤\ufe0f\ufe0f", "❤\U000e0100\U000e0101", "\u200d", "\ufe0f"])
def test_what_shapes_nothing_is_shown_as_an_escape(text: str) -> None:
    assert r"\u" in plain(text).lower()


def test_in_a_line_a_line_end_is_an_escape() -> None:
    assert in_line("a\nb\tc") == "a\\nb\\tc"
