"""Whether a session has the items of a write whose attempt was lost, told by looking: for sessions without keys."""

from __future__ import annotations

import hashlib
from typing import Any

from perdure.canonical import canonical
from perdure.session import said

_LAST = 4  # items by which the place of an earlier write is found again
_OTHERS = 200  # items that others may have added since


def digests_of(items: list[Any]) -> list[str]:
    """Names of the last items."""
    return [_digest(item) for item in newest(items)]


def newest(values: list[Any]) -> list[Any]:
    """As many of the last ones as are kept in mind."""
    return values[-_LAST:]


async def is_written(session: Any, items: list[dict[str, Any]], last: list[str]) -> bool:
    """Whether the session has these items, together, after those that it had last before.

    Args:
        session: The session.
        items: What the lost attempt was to add.
        last: Digests of the last items that the run knows the session had then.
    """
    told = [_digest(item) for item in items]
    window = await said(session.get_items(limit=len(items) + len(last) + _OTHERS))
    found = [_digest(item) for item in window]
    start = _end_of_last(found, last)
    return any(found[place : place + len(told)] == told for place in range(start, len(found) - len(told) + 1))


def _end_of_last(found: list[str], last: list[str]) -> int:
    """The place after the last known items; 0 if the session does not have them any more."""
    if not last:
        return 0
    places = (place for place in range(len(found) - len(last), -1, -1) if found[place : place + len(last)] == last)
    place = next(places, None)
    return 0 if place is None else place + len(last)


def _digest(item: Any) -> str:
    return hashlib.sha256(canonical(item)).hexdigest()[:16]
