"""An edit of a conversation whose older items are sealed: the run does not have them, so it is carried out here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perdure.blobs import BlobStore
from perdure.contracts.run import PageEntry, ResponseView
from perdure.contracts.said import EditedHistory, EditedItem, Rewrite, RewrittenTranscript
from perdure.contracts.sealing import seal_but_tail
from perdure.contracts.steps import CallUserInput
from perdure.loop.records import EntryKind

from .conversations import Said


@dataclass(frozen=True, slots=True)
class Before:
    """What an edit is made to: what the model has got, and what was said as a whole, in stored form."""

    shown: Said
    record: Said


def rewritten(
    edited: EditedHistory, asked: CallUserInput, rewrite: Rewrite, before: Before, blobs: BlobStore
) -> EditedHistory:
    """The edit as the two transcripts that it makes: what was said as a whole, and what the model gets.

    The rules are those of `perdure.loop.handoffs.edit_history`.
    """
    shown, record = before.shown, before.record

    def entry(item: EditedItem, kind: EntryKind | None = None) -> PageEntry:
        if item.place is not None:
            old = shown.entries[item.place]
            return old if kind is None else old.model_copy(update={"kind": kind})
        agent, target = item.agent or asked.agent, {"target": item.target} if item.target else {}
        return PageEntry(item=item.item or {}, kind=kind or item.kind, agent=agent, turn=asked.turn, **target)

    inputs = [entry(item, "input") for item in edited.input]
    new = [entry(item) for item in edited.new]
    earlier = [each for each in record.entries[: rewrite.turn_start] if each.kind != "input"]
    shown_now = [entry(item) for item in (edited.shown if edited.shown is not None else [*edited.before, *edited.new])]
    whole, to_model = [*inputs, *earlier, *new], [*inputs, *shown_now]
    answers = [_with_items(each, record) for each in record.responses if each.turn < asked.turn]

    def packed(entries: Sequence[PageEntry], answers: Sequence[ResponseView], origin: str) -> RewrittenTranscript:
        chunks, tail = seal_but_tail(entries, answers, origin, blobs, rewrite.kept_bytes)
        return RewrittenTranscript(chunks=chunks, entries=tail)

    return EditedHistory(
        input=[],
        input_is_text=edited.input_is_text,
        record=packed(whole, answers, rewrite.record_origin),
        rewritten=None if to_model == whole else packed(to_model, [], rewrite.shown_origin),
    )


def _with_items(response: ResponseView, record: Said) -> ResponseView:
    if response.items is not None:
        return response
    held = record.entries[response.first : response.first + response.count]
    return response.model_copy(update={"items": [entry.item for entry in held]})
