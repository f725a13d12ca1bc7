"""Text as the Temporal UI shows it, which reads Markdown."""

from __future__ import annotations

_ESCAPES = str.maketrans({**{character: f"\\{character}" for character in "\\`*_[]<>#|"}, "\n": " "})


def fenced(text: str) -> str:
    """JSON in a block of its own."""
    return f"```json\n{text.replace('```', '` ` `')}\n```"


def quoted(text: str, characters: int) -> str:
    """A quotation of at most so many characters."""
    return "\n".join(f"> {safe(line)}" for line in short(text, characters).splitlines())


def short(text: str, characters: int) -> str:
    """The text, or its beginning and its length."""
    return text if len(text) <= characters else f"{text[:characters]}… ({len(text)} characters)"


def safe(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return text.translate(_ESCAPES)
