"""Conversations that were made outside of the run: a handoff's edit, and a history that was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from perdure.loop.records import Chunk, Entry, EntryKind


@dataclass(slots=True, frozen=True)
class EditedItem:
    """One item of an edited conversation: the one at `place` of the record, or a new one."""

    place: int | None = None
    item: dict[str, Any] | None = None
    kind: EntryKind = "answer"
    agent: str = ""
    target: str = ""


@dataclass(slots=True, frozen=True)
class Rewritten:
    """A transcript that was made elsewhere: sealed items, then the newest ones, whose digests are not known yet."""

    sealed: list[Chunk]
    entries: list[Entry]


@dataclass(slots=True, frozen=True)
class EditedHistory:
    """What the next agent gets; `shown` is what the model gets instead of `before` and `new`, if that differs.

    Where older items are sealed, the edit comes carried out: as the `record` that it makes, and what the model gets
    (`rewritten`), and requests are made of (`pruned`), where these differ.
    """

    input: list[EditedItem]
    input_is_text: bool
    before: list[EditedItem]
    new: list[EditedItem]
    shown: list[EditedItem] | None = None
    record: Rewritten | None = None
    rewritten: Rewritten | None = None
    pruned: Rewritten | None = None
