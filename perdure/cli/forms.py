"""What an export is written in."""

from __future__ import annotations

from enum import StrEnum


class Form(StrEnum):
    """A form of a document."""

    JSON = "json"
    MARKDOWN = "markdown"
