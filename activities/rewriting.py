"""An edit of a conversation whose older items are sealed: the run does not have them, so it is carried out here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from perdure.blobs import BlobStore
from perdure.canonical import encode
from perdure.contracts.run import PageEntry, ResponseView
from perdure.contracts.said import EditedHistory, EditedItem, Rewrite, RewrittenTranscript
from perdure.contracts.sealing import seal_but_tail
from perdure.contracts.steps import CallUserInput
from perdure.loop.records import Entry, EntryKind
from perdure.loop.showing import requestable

from .conversations import Said


@dataclass(frozen=True, slots=True)
class Before:
    """What an edit is made to: what the model has got, and what was said as a whole, in stored form."""

    shown: Said
    record: Said


def rewritten(
    edited: EditedHistory, asked: CallUserInput, rewrite: Rewrite, before: Before, blobs: BlobStore
) -> EditedHistory:
    """The edit as the transcripts that it makes: what was said as a whole, what the model is shown, what requests have.

    The rules are those of `perdure.loop.handoffs.edit_history`.
    """
    shown, record = before.shown, before.record

    def entry(item: EditedItem, kind: EntryKind | None = None) -> PageEntry:
        if item.place is not None:
            old = shown.entries[item.place]
            return old if kind is None else old.model_copy(update={"kind": kind})
        agent, target = item.agent or asked.agent, {"target": item.target} if item.target else {}
        fields: dict[str, Any] = {"item": item.item or {}, "kind": kind or item.kind, "agent": agent, **target}
        return PageEntry(turn=asked.turn, **fields)

    inputs = [entry(item, "input") for item in edited.input]
    if not asked.nest:
        inputs = [each.model_copy(update={"turn": 0}) for each in inputs]
    new = [entry(item) for item in edited.new]
    earlier = [each for each in record.entries[: rewrite.turn_start] if each.kind != "input"]
    shown_now = [entry(item) for item in (edited.shown if edited.shown is not None else [*edited.before, *edited.new])]
    whole, to_model = [*inputs, *earlier, *new], [*inputs, *shown_now]
    answers = [_with_items(each, record) for each in record.responses if each.turn < asked.turn]
    origins = iter(rewrite.origins)

    def packed(entries: Sequence[PageEntry], answers: Sequence[ResponseView] = ()) -> RewrittenTranscript:
        chunks, tail = seal_but_tail(entries, answers, next(origins), blobs, rewrite.kept_bytes)
        return RewrittenTranscript(chunks=chunks, entries=tail)

    requested = _requestable(to_model)
    return EditedHistory(
        input=[],
        input_is_text=edited.input_is_text,
        record=packed(whole, answers),
        rewritten=None if to_model == whole else packed(to_model),
        pruned=None if len(requested) == len(to_model) else packed(requested),
    )


def _requestable(entries: list[PageEntry]) -> list[PageEntry]:
    stored = [Entry(encode(each.item), each.kind, each.agent, each.turn, str(at)) for at, each in enumerate(entries)]
    return [entries[int(each.digest)] for each in requestable(stored)]


def _with_items(response: ResponseView, record: Said) -> ResponseView:
    if response.items is not None:
        return response
    held = record.entries[response.first : response.first + response.count]
    return response.model_copy(update={"items": [entry.item for entry in held]})
