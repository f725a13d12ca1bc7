"""Text of others in Markdown, as the Temporal UI and exports show it: as it is, all of it to be seen, but no secret.

Declared secrets are taken out first: escaped, they would not be found any more.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise

from perdure.redaction import redacted
from perdure.visible import plain

# Everything that Markdown, with GitHub's additions, reads anything into in the middle of a line.
_ESCAPES = str.maketrans({**{character: f"\\{character}" for character in "\\`*_[]<>#|~&!$"}, "\n": " ", "\t": " "})
# What makes a list, a line, a heading or a table of what follows it at a line's start.
_STARTS = re.compile(r"^([-+=:]|\d+(?=[.)](?:\s|$)))")
_FENCE = re.compile("`{3,}")


def safe(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    shown = plain(redacted(text)).translate(_ESCAPES).strip()
    return _STARTS.sub(lambda start: start[0] + "\\" if start[0].isdigit() else "\\" + start[0], shown)


def fenced(text: str, language: str = "json") -> str:
    """A text in a block of its own; what is in it cannot end the block."""
    longest = max((len(ticks[0]) for ticks in _FENCE.finditer(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{plain(redacted(text))}\n{fence}"


def quoted(text: str, characters: int | None = None) -> str:
    """A quotation, of at most so many characters, in the lines that it has."""
    lines = (text if characters is None else short(text, characters)).splitlines()
    shown = [f"> {safe(line)}".rstrip() for line in lines]
    breaks = ["\\" if line != ">" and after != ">" else "" for line, after in pairwise([*shown, ">"])]
    return "\n".join(line + end for line, end in zip(shown, breaks, strict=True))


def short(text: str, characters: int) -> str:
    """The text, or its beginning and its length."""
    return text if len(text) <= characters else f"{text[:characters]}… ({len(text)} characters)"


def laid_out(text: str) -> str:
    """JSON with one value a line, so that a narrow page shows all of it; any other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
