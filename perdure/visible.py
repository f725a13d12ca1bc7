"""Text that shows all there is: no character in it hides, or makes a line read as what it is not."""

from __future__ import annotations

import unicodedata
from itertools import chain

# Invisible characters can make a line read as what it is not (Unicode TR 36).
_HIDDEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
_BLANK = set("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # letters and marks that show nothing
_VARIATION = set(map(chr, chain(range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))))
_JOINERS = {"\u200c", "\u200d"}
_SHAPING = _JOINERS | _VARIATION  # they shape the letter or emoji before them, and hide where there is none


def plain(text: str) -> str:
    """Text that shows all there is: control and invisible characters, as those that reverse a line, as escapes."""
    if text.isascii() and text.isprintable():
        return text
    before = ["", *text]
    return "".join(_escaped(each) if _hides(each, last) else each for last, each in zip(before, text, strict=False))


def in_line(text: str) -> str:
    r"""`plain` on one line: line ends and tabs become `\n` and `\t`."""
    return plain(text.replace("\n", "\\n").replace("\t", "\\t"))


def _hides(character: str, last: str) -> bool:
    if character in _JOINERS:
        return last.isascii() or last in _SHAPING
    if character in _VARIATION:
        return last == "" or last in _SHAPING  # a digit has one as the emoji of a key
    if character in _BLANK:
        return True
    return unicodedata.category(character) in _HIDDEN and character not in "\n\t"


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  the end of the basic plane
