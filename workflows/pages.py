"""What a run tells of what was said: pages of its transcripts, and its outcome."""

from __future__ import annotations

import json
from typing import Any

from perdure.contracts.frozen import requests_of
from perdure.contracts.run import (
    GuardrailView,
    KeptView,
    PageEntry,
    PageRequest,
    ResponseView,
    RunOutcome,
    Tokens,
    TranscriptPage,
)
from perdure.limits import MAX_INLINE_ITEM_BYTES, MAX_TAIL_BYTES
from perdure.loop.records import Entry, Final, GuardrailRecord, Kept, ResponseRecord, Transcript
from perdure.loop.state import Frame, LoopState

REQUESTS_TOLD = 4000  # about 100 KB


def page_of(state: LoopState, wanted: PageRequest, limit: int) -> TranscriptPage:
    """The items asked for, as many as the limit in bytes holds but at least one.

    Raises:
        ValueError: There is no such transcript (any more).
    """
    frame = state.frame(wanted.path)
    if frame is None:
        raise ValueError(f"No agent runs as a tool for call {wanted.path!r} (any more).")
    known = (frame.record, frame.shown, frame.requested)
    transcript = next((each for each in known if wanted.epoch in (None, each.epoch)), None)
    if transcript is None:
        raise ValueError(f"Transcript {wanted.epoch} was edited since; the record is {frame.record.epoch} now.")
    entries = transcript.entries
    first = min(max(wanted.start, 0), len(entries))
    upto = len(entries) if wanted.upto is None else min(wanted.upto, len(entries))
    end, size = first, 0
    while end < upto and (end == first or size + len(entries[end].data) <= limit):
        size += len(entries[end].data)
        end += 1
    return _page(frame, transcript, first, end)


def outcome_of(state: LoopState) -> RunOutcome:
    """How the run ended, or how far it came, with the last items that 256 KiB hold."""
    root = state.root
    entries = root.record.entries
    first, size = len(entries), 0
    while first > 0 and size + len(entries[first - 1].data) <= MAX_TAIL_BYTES:
        first -= 1
        size += len(entries[first].data)
    extras = _final(root.final) if root.final is not None else {}
    if state.context is not None:
        extras["context"] = state.context
    if state.failure is not None:
        extras |= {"settled_items": root.settled_items, "settled_turns": root.settled_turns}
    return RunOutcome(
        agent=root.agent or state.agent_name,
        turns=root.turn,
        max_turns=root.max_turns,
        usage=Tokens.of(state.usage),
        requests=requests_of(state.usage, REQUESTS_TOLD),
        tail=_page(root, root.record, first, len(entries)),
        **_told(root),
        **extras,
    )


def _told(root: Frame) -> dict[str, Any]:
    """What is told of a run only where there is something to tell."""
    values: dict[str, Any] = {
        "guardrails": [guardrail_view(each) for each in root.guardrails],
        "input_is_text": root.input_is_text,
        "shown_epoch": root.shown.epoch,
        "kept": None if root.kept is None else kept_view(root.kept),
        "omits_reasoning_ids": root.rules.omit_reasoning_ids,
    }
    return {name: value for name, value in values.items() if value}


def _final(final: Final) -> dict[str, Any]:
    values: dict[str, Any] = {} if final.kind == "text" else {"final_kind": final.kind}
    if final.text is not None and len(final.text.encode()) <= MAX_INLINE_ITEM_BYTES:
        values["final_output"] = final.text
    if final.item is not None:
        values["final_item"] = final.item
    return values


def kept_view(kept: Kept) -> KeptView:
    """What the provider keeps, as it is told."""
    return KeptView(conversation_id=kept.conversation_id, chains=kept.chains, began_after=kept.began_after)


def guardrail_view(said: GuardrailRecord) -> GuardrailView:
    """What a guardrail said, as it is told."""
    return GuardrailView(**{name: getattr(said, name) for name in GuardrailView.model_fields})


def _page(frame: Frame, transcript: Transcript, first: int, end: int) -> TranscriptPage:
    entries = transcript.entries
    responses = frame.responses if transcript is frame.record else []
    extras = {"epoch": transcript.epoch} if transcript.epoch else {}
    return TranscriptPage(
        first=first,
        entries=[_entry(entry) for entry in entries[first:end]],
        responses=[_response(record) for record in responses if _belongs(record, first, end, len(entries))],
        count=len(entries),
        before=transcript.digest_at(first),
        digest=transcript.digest_at(len(entries)),
        **extras,
    )


def _belongs(record: ResponseRecord, first: int, end: int, count: int) -> bool:
    """Whether a response is told with this page: that of its first item, else the last."""
    if record.items is not None:
        return end == count
    return first <= record.first < end or (record.first == end == count)


def _entry(entry: Entry) -> PageEntry:
    extras = {"target": entry.target} if entry.target else {}
    return PageEntry(item=json.loads(entry.data), kind=entry.kind, agent=entry.agent, turn=entry.turn, **extras)


def _response(record: ResponseRecord) -> ResponseView:
    extras: dict[str, Any] = {}
    if record.items is not None:
        extras["items"] = [json.loads(item) for item in record.items]
    if record.raw_usage is not None:
        extras["raw_usage"] = record.raw_usage
    return ResponseView(
        turn=record.turn,
        agent=record.agent,
        first=record.first,
        count=record.count,
        usage=Tokens.of(record.usage),
        response_id=record.response_id,
        request_id=record.request_id,
        **extras,
    )
