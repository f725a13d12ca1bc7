"""What a run tells of what was said: pages of its transcripts, and its outcome."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from perdure.contracts.frozen import REQUESTS_TOLD, page_entry, requests_of, response_view
from perdure.contracts.run import ChunkView, PageRequest, RunOutcome, RunSettings, TranscriptPage
from perdure.contracts.tokens import Tokens
from perdure.contracts.told import GuardrailView, InputView, KeptView
from perdure.limits import MAX_INLINE_ITEM_BYTES, MAX_TAIL_BYTES
from perdure.loop.records import Final, GuardrailRecord, Kept, ResponseRecord, SentInput, Transcript
from perdure.loop.state import Frame, LoopState


def page_of(state: LoopState, wanted: PageRequest, limit: int) -> TranscriptPage:
    """The items asked for, as many as the limit in bytes holds but at least one.

    Raises:
        ValueError: There is no such transcript (any more).
    """
    frame = state.frame(wanted.path)
    if frame is None:
        raise ValueError(f"No agent runs as a tool for call {wanted.path!r} (any more).")
    transcript = next((each for each in _known(state, frame, wanted) if wanted.epoch in (None, each.epoch)), None)
    if transcript is None:
        raise ValueError(f"Transcript {wanted.epoch} was edited since; the record is {frame.record.epoch} now.")
    first = min(max(wanted.start, 0), transcript.count)
    upto = transcript.count if wanted.upto is None else min(wanted.upto, transcript.count)
    if first < transcript.first:
        return _sealed_page(transcript, first, upto).model_copy(update={"settled_turns": _settled(frame)})
    end, size = first, 0
    for entry in transcript.after(first)[: max(upto - first, 0)]:
        if end > first and size + len(entry.data) > limit:
            break
        size += len(entry.data)
        end += 1
    page = _page(frame, transcript, first, end, earlier_answers(state, transcript))
    return page.model_copy(update={"settled_turns": _settled(frame)})


def _known(state: LoopState, frame: Frame, wanted: PageRequest) -> list[Transcript]:
    """The transcripts that are told, the one first that is told unless its epoch says otherwise."""
    known = [frame.record, frame.shown, frame.requested]
    thread = state.thread if frame is state.root else None
    if thread is None:
        return known
    return [thread.history] if wanted.history else [*known, thread.history]


def _settled(frame: Frame) -> int | None:
    return frame.settled_turns if frame.handoffs else None


def outcome_of(state: LoopState, settings: RunSettings) -> RunOutcome:
    """How the run ended, or how far it came, with the last items that 256 KiB hold."""
    root = state.root
    first, size = root.record.count, 0
    for entry in reversed(root.record.entries):
        if size + len(entry.data) > MAX_TAIL_BYTES:
            break
        first -= 1
        size += len(entry.data)
    extras = final_view(root.final) if root.final is not None else {}
    if state.context is not None:
        extras["context"] = state.context
    if state.failure is not None:
        extras |= {"settled_items": root.settled_items, "settled_turns": root.settled_turns}
    return RunOutcome(
        agent=root.agent or state.agent_name,
        turns=root.turn,
        max_turns=root.max_turns,
        usage=Tokens.of(state.usage if state.thread is None else state.thread.used),
        requests=requests_of(state.usage, REQUESTS_TOLD),
        tail=_page(root, root.record, first, root.record.count, earlier_answers(state, root.record)),
        **_told(root, settings),
        **extras,
    )


def _told(root: Frame, settings: RunSettings) -> dict[str, Any]:
    """What is told of a run only where there is something to tell."""
    values: dict[str, Any] = {
        "guardrails": [guardrail_view(each) for each in root.guardrails],
        "input_is_text": root.input_is_text,
        "shown_epoch": root.shown.epoch,
        "kept": None if root.kept is None else kept_view(root.kept),
        "omits_reasoning_ids": root.rules.omit_reasoning_ids,
        "inputs": input_views(root),
        "settings": settings.chosen,
        "stopped": root.stopping and root.stage == "done" and root.final is None,
    }
    return {name: value for name, value in values.items() if value}


def final_view(final: Final) -> dict[str, Any]:
    """A final output, as it is told."""
    values: dict[str, Any] = {} if final.kind == "text" else {"final_kind": final.kind}
    if final.text is not None and len(final.text.encode()) <= MAX_INLINE_ITEM_BYTES:
        values["final_output"] = final.text
    if final.item is not None:
        values["final_item"] = final.item
    return values


def kept_view(kept: Kept) -> KeptView:
    """What the provider keeps, as it is told."""
    return KeptView(conversation_id=kept.conversation_id, chains=kept.chains, began_after=kept.began_after)


def input_views(root: Frame) -> list[InputView]:
    """What was sent to the run and waits, as it is told."""
    return [_input_view(sent) for sent in root.pending]


def _input_view(sent: SentInput) -> InputView:
    extras: dict[str, Any] = {} if sent.when == "next_turn" else {"when": sent.when}
    return InputView(message_id=sent.message_id, items=sent.items, by=sent.by, **extras)


def guardrail_view(said: GuardrailRecord) -> GuardrailView:
    """What a guardrail said, as it is told."""
    return GuardrailView(**{name: getattr(said, name) for name in GuardrailView.model_fields})


def earlier_answers(state: LoopState, transcript: Transcript) -> list[ResponseRecord]:
    """The answers of a thread's earlier messages, in what it keeps."""
    return state.thread.responses if state.thread is not None and transcript is state.thread.history else []


def _page(frame: Frame, transcript: Transcript, first: int, end: int, earlier: list[ResponseRecord]) -> TranscriptPage:
    responses = [*earlier, *(frame.responses if transcript is frame.record else [])]
    extras = _named(transcript)
    return TranscriptPage(
        first=first,
        entries=[page_entry(entry) for entry in transcript.after(first)[: end - first]],
        responses=[response_view(record) for record in responses if _belongs(record, transcript, first, end)],
        count=transcript.count,
        before=transcript.digest_at(first),
        digest=transcript.digest_at(transcript.count),
        **extras,
    )


def _sealed_page(transcript: Transcript, first: int, upto: int) -> TranscriptPage:
    """The chunks that hold the items from `first` on; the page begins where the first of them does."""
    start = end = 0
    chunks: list[ChunkView] = []
    for chunk in transcript.sealed:
        if end + chunk.count <= first:
            start += chunk.count
        elif end < upto:
            chunks.append(ChunkView(**asdict(chunk)))
        end += chunk.count
    extras = _named(transcript)
    return TranscriptPage(
        first=start,
        sealed=chunks,
        entries=[],
        responses=[],
        count=transcript.count,
        before=transcript.digest_at(start),
        digest=transcript.digest_at(transcript.count),
        **extras,
    )


def _named(transcript: Transcript) -> dict[str, Any]:
    values = {"epoch": transcript.epoch, "given": transcript.given}
    return {name: value for name, value in values.items() if value}


def _belongs(record: ResponseRecord, transcript: Transcript, first: int, end: int) -> bool:
    """Whether a response is told with this page: that of its first item; one that brings its items, the first page."""
    if record.items is not None:
        return first == transcript.first
    return first <= record.first < end or (record.first == end == transcript.count)
