"""JSON in one form: the same value is the same bytes, whoever writes it.

An item of a conversation is made canonical once, where it enters (a model's answer, a tool's output, the client's
input). From then on it only has to be copied: parsing these bytes and writing the value again gives them back.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, cast

from perdure.errors import UserError

MAX_DEPTH = 64  # nested containers; pydantic's serialiser gives up at about 250, a wedged run if it happens in one
MAX_INTEGER_BITS = 12_000  # about 3,600 digits; Python refuses to parse integers of more than 4,300


def canonical(value: Any) -> bytes:
    """The canonical UTF-8 bytes of a JSON value.

    Half surrogates become `?`, numbers that JSON does not have (NaN, infinities) become `null`.

    Raises:
        UserError: The value is not JSON, is nested more than 64 deep, or holds an integer of over 12,000 bits.
    """
    return encode(clean(value))


def encode(value: Any) -> bytes:
    """The canonical bytes of a value that is known to be clean, as one that came from canonical bytes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def clean(value: Any, depth: int = 0) -> Any:
    """A copy of a JSON value without what cannot travel; see `canonical`."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, int):
        return _bounded_integer(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth >= MAX_DEPTH:
        raise UserError(f"A JSON value is nested more than {MAX_DEPTH} deep; flatten it before it enters a run.")
    if isinstance(value, dict):
        entries = cast("dict[Any, Any]", value)
        return {clean_text(str(name)): clean(entry, depth + 1) for name, entry in entries.items()}
    if isinstance(value, list | tuple):
        return [clean(entry, depth + 1) for entry in cast("list[Any]", value)]
    raise UserError(f"A value of type {type(value).__name__} is not JSON; use str, numbers, bool, None, list or dict.")


def clean_text(text: str) -> str:
    """Text in which half surrogates, which UTF-8 cannot hold (models emit them when a stream is cut), are `?`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _bounded_integer(value: int) -> int:
    if value.bit_length() > MAX_INTEGER_BITS:
        raise UserError(f"An integer of {value.bit_length()} bits is too long for JSON; send it as a string.")
    return value


def digest_of(value: Any) -> str:
    """A short name for a JSON value: 16 hex digits of the SHA-256 of its canonical bytes."""
    return hashlib.sha256(canonical(value)).hexdigest()[:16]
