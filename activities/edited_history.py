"""What a handoff's filter made of the conversation, told by the places of what it left as it was."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from perdure.blobs import BlobStore, store_items
from perdure.canonical import canonical
from perdure.contracts.run import EntryKind
from perdure.contracts.said import EditedHistory, EditedItem
from perdure.handoff import HandoffInputData
from perdure.item_json import input_items, item_json
from perdure.items import HandoffCallItem, HandoffOutputItem, InputItem, RunItem, ToolApprovalItem, ToolCallOutputItem
from perdure.limits import MAX_RESULT_BYTES
from perdure.snapshot import Member

from .transcripts import Transcript

_NEW_BYTES = MAX_RESULT_BYTES // 2


def edited_history(
    transcript: Transcript,
    given: HandoffInputData,
    filtered: HandoffInputData,
    members: dict[str, Member],
    blobs: BlobStore | None,
) -> EditedHistory:
    """The edit as places and new items.

    What a filter takes out of the items before this turn is not shown to the next agent, but it has been said: it
    stays in the run's record, as in the Agents SDK.
    """
    places = _Places(transcript, given, members)
    history = filtered.input_history
    edited = EditedHistory(
        input=places.of_input(input_items(history) if isinstance(history, str) else history),
        input_is_text=isinstance(history, str),
        before=places.of_items(given.pre_handoff_items),
        new=places.of_items(filtered.new_items),
    )
    shown = [
        *filtered.pre_handoff_items,
        *(filtered.new_items if filtered.input_items is None else filtered.input_items),
    ]
    shown_items = places.of_items(shown)
    if shown_items != edited.before + edited.new:
        edited = edited.model_copy(update={"shown": shown_items})
    return _stored(edited, blobs)


class _Places:
    """Finds items of a transcript: the very objects, or copies of them."""

    def __init__(self, transcript: Transcript, given: HandoffInputData, members: dict[str, Member]) -> None:
        self._first = transcript.input_count
        items = (*given.pre_handoff_items, *given.new_items)
        self._items = items  # held, so that no other object gets the id of one of them
        self._by_identity = {id(item): self._first + number for number, item in enumerate(items)}
        self._by_content = {_content(item): self._first + number for number, item in reversed([*enumerate(items)])}
        self._input = [canonical(entry.item) for entry in transcript.entries[: self._first]]
        self._keys = {id(member.agent): key for key, member in reversed([*members.items()])}

    def of_input(self, items: Iterable[Any]) -> list[EditedItem]:
        return [self._input_item(number, item_json(item)) for number, item in enumerate(items)]

    def of_items(self, items: Iterable[RunItem]) -> list[EditedItem]:
        return [self._run_item(item) for item in items if not isinstance(item, ToolApprovalItem)]

    def _input_item(self, number: int, item: dict[str, Any]) -> EditedItem:
        data = canonical(item)
        if number < len(self._input) and self._input[number] == data:
            return EditedItem(place=number)
        if data in self._input:
            return EditedItem(place=self._input.index(data))
        return EditedItem(item=item, kind="input")

    def _run_item(self, item: RunItem) -> EditedItem:
        place = self._by_identity.get(id(item), self._by_content.get(_content(item)))
        if place is not None:
            return EditedItem(place=place)
        new = EditedItem(item=item.to_input_item(), kind=_kind(item), agent=self._keys.get(id(item.agent), ""))
        if isinstance(item, HandoffOutputItem):
            new = new.model_copy(update={"target": self._keys.get(id(item.target_agent), "")})
        return new


def _content(item: RunItem) -> tuple[type[Any], int, bytes]:
    return type(item), id(item.agent), canonical(item.to_input_item())


def _kind(item: RunItem) -> EntryKind:
    if isinstance(item, ToolCallOutputItem):
        return "value" if _is_value(item) else "output"
    kinds: dict[type[Any], EntryKind] = {
        HandoffCallItem: "handoff",
        HandoffOutputItem: "handed_off",
        InputItem: "added",
    }
    return kinds.get(type(item), "answer")


def _is_value(item: ToolCallOutputItem) -> bool:
    """Whether the output's text is the JSON of the value that the item has beside it."""
    text = item.data.get("output")
    if isinstance(item.output, str) or not isinstance(text, str):
        return False
    try:
        return bool(json.loads(text) == item.output)
    except ValueError:
        return False


def _stored(edited: EditedHistory, blobs: BlobStore | None) -> EditedHistory:
    """The edit with its new items in stored form, together small enough for a result."""
    lists = {
        name: value for name in ("input", "before", "new", "shown") if (value := getattr(edited, name)) is not None
    }
    new = [each.item for items in lists.values() for each in items if each.item is not None]
    stored = iter(store_items(new, blobs, _NEW_BYTES))
    changed = {
        name: [each if each.item is None else each.model_copy(update={"item": next(stored)}) for each in items]
        for name, items in lists.items()
    }
    return edited.model_copy(update=changed)
