"""How a session's history and a run's new input become what the model is given, and what of it the session lacks."""

from __future__ import annotations

import copy
import inspect
from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

from perdure.canonical import canonical
from perdure.duplicates import OUTPUT_OF, places_of_distinct
from perdure.errors import UserError
from perdure.foreign import kind_of
from perdure.item_json import TResponseInputItem, item_json

_CALL_OF = {output: call for call, output in OUTPUT_OF.items()}


@dataclass(frozen=True, slots=True)
class Combined:
    """The model's input, and what of it is new to the session."""

    items: list[TResponseInputItem]
    new: list[TResponseInputItem]


@dataclass(frozen=True, slots=True)
class _Part:
    """An item, and whether it comes from the history."""

    item: TResponseInputItem
    is_old: bool


def session_items(given: Any) -> list[TResponseInputItem]:
    """What a session gave, as items.

    Raises:
        UserError: It is no list of items.
    """
    if not isinstance(given, list):
        raise UserError(f"The session gave {given!r:.100}, of type {kind_of(given)}; get_items must return a list.")
    return [
        _item(item, f"Item {place} of the session's history") for place, item in enumerate(cast("list[Any]", given))
    ]


def without_reasoning_ids(items: list[TResponseInputItem]) -> list[TResponseInputItem]:
    """The items, those of reasoning without their ids."""
    return [
        {name: value for name, value in item.items() if name != "id"} if item.get("type") == "reasoning" else item
        for item in items
    ]


async def combine(
    history: list[TResponseInputItem], given: list[TResponseInputItem], callback: Any, *, has_limit: bool
) -> Combined:
    """History and new input, in this order or as the run's `session_input_callback` has them.

    Calls of the history without their outputs are left out, and the reasoning before them; of what comes twice, the
    latest stays. With a limit, outputs whose calls lie before the window are left out, too.

    Args:
        history: The session's items.
        given: The run's input.
        callback: The function, if there is one.
        has_limit: Whether the history may begin in the middle of a turn.

    Raises:
        UserError: The callback is no function, or returned no list of items.
    """
    if callback is None:
        parts = [*(_Part(item, True) for item in history), *(_Part(item, False) for item in given)]
    else:
        parts = await _as_called(history, given, callback)
    new = [part.item for part in parts if not part.is_old]
    kept = _without_orphans(parts, outputs=callback is None and has_limit)
    return Combined([kept[place] for place in places_of_distinct(kept)], new)


async def _as_called(history: list[TResponseInputItem], given: list[TResponseInputItem], callback: Any) -> list[_Part]:
    """What the callback makes of copies; an item is old if it is one of the history, or equal to one."""
    if not callable(callback):
        raise UserError(f"session_input_callback is {callback!r:.100}, and no function; give one, or None.")
    old, new = copy.deepcopy(history), copy.deepcopy(given)
    were_old, were_new = {id(item) for item in old}, {id(item) for item in new}
    held = [*old, *new]  # what the callback takes out of the lists must not lend its id to another item
    said: Any = callback(old, new)
    said = await said if inspect.isawaitable(said) else said
    if not isinstance(said, list):
        raise UserError(
            f"session_input_callback returned {said!r:.100}, of type {kind_of(said)}; return a list of items."
        )
    left = Counter(canonical(item) for item in held[: len(history)])
    parts: list[_Part] = []
    for item in cast("list[Any]", said):
        one = _item(item, "What session_input_callback returned")
        known = canonical(one)
        is_old = id(item) in were_old or (id(item) not in were_new and left[known] > 0)
        left[known] -= is_old
        parts.append(_Part(one, is_old))
    return parts


def _item(item: Any, what: str) -> TResponseInputItem:
    try:
        return item_json(item)
    except TypeError as error:
        raise UserError(f"{what} is none: {error}") from None


def _without_orphans(parts: list[_Part], *, outputs: bool) -> list[TResponseInputItem]:
    """The items but calls of the history without output, and, if `outputs`, its outputs without call."""
    names = [(str(part.item.get("type")), str(part.item.get("call_id"))) for part in parts]
    there = set(names)
    kept: list[_Part] = []
    for part, (kind, call_id) in zip(parts, names, strict=True):
        lacks_output = kind in OUTPUT_OF and (OUTPUT_OF[kind], call_id) not in there
        lacks_call = outputs and kind in _CALL_OF and (_CALL_OF[kind], call_id) not in there
        if part.is_old and lacks_output:
            while kept and kept[-1].is_old and kept[-1].item.get("type") == "reasoning":
                kept.pop()
        elif not (part.is_old and lacks_call):
            kept.append(part)
    return [part.item for part in kept]
