"""What requests leave out of what the model is shown: items that come twice, and calls without their outputs.

Providers refuse both. They can come only from outside of the turns, so it is decided where a frame begins and where a
handoff edits the history, and not on each turn.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

from perdure.canonical import encode
from perdure.duplicates import places_of_distinct
from perdure.loop.records import Chunk, Entry, Transcript
from perdure.loop.state import Frame
from perdure.transcript import chain_start_below


def prune(frame: Frame, origin: str) -> None:
    """Leaves out of a frame's requests what providers refuse; calls that its input has are the caller's own and stay.

    Args:
        frame: The frame, while no call of it is open.
        origin: Where the run's first transcript starts.
    """
    kept = requestable(frame.shown.entries)
    frame.pruned = new_epoch(frame, origin, kept) if len(kept) < len(frame.shown.entries) else None


def requestable(entries: list[Entry]) -> list[Entry]:
    """The entries without what providers refuse."""
    given = list(itertools.takewhile(lambda entry: entry.kind == "input", entries))
    return _distinct([*given, *_answered(entries[len(given) :])])


def requestable_after(entries: list[Entry], old: int) -> list[Entry]:
    """The entries of a conversation without what providers refuse; calls in what follows the `old` ones stay."""
    return _distinct([*_answered(entries[: max(old, 0)]), *entries[max(old, 0) :]])


def without_answer(entries: list[Entry]) -> bool:
    """Whether calls among the entries have no output."""
    return len(_answered(entries)) < len(entries)


def has_twins(transcript: Transcript, new: list[Entry]) -> bool:
    """Whether an item among the last ones may have come before, by its id."""
    earlier = transcript.entries[: len(transcript.entries) - len(new)]
    for entry in new:
        if entry.kind != "input" and b'"role"' in entry.data:
            continue  # messages may come twice
        item: dict[str, Any] = json.loads(entry.data)
        names = [encode(name) for name in (item.get("call_id"), item.get("id")) if isinstance(name, str)]
        if item.get("role") is None and any(name in each.data for each in earlier for name in names):
            return True
    return False


def new_epoch(frame: Frame, origin: str, entries: list[Entry], sealed: list[Chunk] | None = None) -> Transcript:
    """Another transcript of a frame, with these entries after sealed ones."""
    epoch, frame.epochs = frame.epochs, frame.epochs + 1
    transcript = Transcript(chain_start_below(origin, frame.path, epoch), epoch, sealed=sealed or [])
    for entry in entries:
        transcript.append(entry.data, entry.kind, entry.agent, entry.turn, entry.target)
    return transcript


def _distinct(entries: list[Entry]) -> list[Entry]:
    if len(entries) < 2:  # noqa: PLR2004  one item alone comes once
        return entries
    return [entries[place] for place in places_of_distinct(_items(entries))]


def _answered(entries: list[Entry]) -> list[Entry]:
    """The entries but calls whose outputs an edit took away, and the reasoning before them."""
    items = _items(entries)
    answered = {str(item.get("call_id")) for item in items if item.get("type") == "function_call_output"}
    kept: list[tuple[Entry, bool]] = []
    for entry, item in zip(entries, items, strict=True):
        if item.get("type") != "function_call" or str(item.get("call_id")) in answered:
            kept.append((entry, item.get("type") == "reasoning"))
            continue
        while kept and kept[-1][1]:
            kept.pop()
    return [entry for entry, _ in kept]


def _items(entries: list[Entry]) -> list[dict[str, Any]]:
    return [json.loads(entry.data) for entry in entries]
