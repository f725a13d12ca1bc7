"""Attributes that any collector can be sent: one value that cannot be written would cost its whole batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from perdure.canonical import clean_text
from perdure.redaction import redacted

_LEAST, _MOST = -(2**63), 2**63 - 1


def plain(value: Any) -> Any:
    """A value as OTLP has it: half surrogates are replaced, integers have 64 bits."""
    match value:
        case str():
            return redacted(clean_text(value))
        case bool() | float():
            return value
        case int():
            return min(max(value, _LEAST), _MOST)
        case list() | tuple():
            return [plain(each) for each in cast("list[Any]", value)]
        case _:
            return redacted(clean_text(str(value)))


def plain_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes by name, but those without a value."""
    return {plain(name): plain(value) for name, value in attributes.items() if value is not None}
