"""Text of others in Markdown."""

from __future__ import annotations

import pytest

from perdure.markdown import fenced, laid_out, quoted, safe, short


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**now** _or_ ~~never~~", r"\*\*now\*\* \_or\_ \~\~never\~\~"),
        ("[click](http://x) ![i](x)", r"\[click\](http://x) \!\[i\](x)"),
        ("<img src=x> &#8238;", r"\<img src=x\> \&\#8238;"),
        ("# Approved", r"\# Approved"),
        ("- one", r"\- one"),
        ("2. two", r"2\. two"),
        ("---", r"\---"),
        ("    code", "code"),
        ("2.0 is (1) call", "2.0 is (1) call"),
        ("a\nb\tc", "a b c"),
        ("a\u202eb\u200bc", r"a\\u202eb\\u200bc"),
    ],
)
def test_markdown_shows_text_as_it_is(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_a_quotation_keeps_its_lines_and_paragraphs() -> None:
    assert quoted("one\ntwo\n\nthree") == "> one\\\n> two\n>\n> three"
    assert quoted("x" * 20, 10) == f"> {'x' * 10}… (20 characters)"
    assert quoted("") == ""


def test_a_block_cannot_be_ended_from_within() -> None:
    assert fenced("a\n````\nb", "text") == "`````text\na\n````\nb\n`````"


def test_json_is_laid_out_and_other_text_is_left() -> None:
    assert laid_out('{"a": "größer", "b": [1]}') == '{\n  "a": "größer",\n  "b": [\n    1\n  ]\n}'
    assert laid_out("{a") == "{a"


def test_a_text_is_cut_with_its_length() -> None:
    assert (short("abc", 3), short("abcd", 3)) == ("abc", "abc… (4 characters)")
