"""Where a new run goes on: from a run that waited, with the decisions about its calls, or from the end of a turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perdure.blobs import BlobStore, store_item, store_items
from perdure.canonical import encode
from perdure.client.saving import SavedRun
from perdure.contracts.run import PageEntry
from perdure.contracts.told import InputView, KeptView
from perdure.definition import SessionDefinition, Snapshot
from perdure.errors import DecisionConflictError, UserError
from perdure.limits import CARRIED_BYTES, MAX_COMMAND_BYTES, MAX_MESSAGE_BYTES
from perdure.state import DraftDecision
from perdure.transcript import chain_start

if TYPE_CHECKING:
    from perdure.loop.records import SentInput

_ITEMS_BYTES = MAX_COMMAND_BYTES // 2  # the other half is for the agents, the context and what is known of the turns


@dataclass(frozen=True, slots=True)
class Fresh:
    """What a new run has of its own.

    Attributes:
        snapshot: The agents as they are now; `None`: as the run fixed them, or as a worker has the one with its name.
        context: The context's state to go on with.
        kept: What the provider keeps of the conversation from now on; `None` after a wait: what it kept.
        blobs: Where large items lie.
        inputs: What is to be said before its first model request.
        session: What it is to remember from now on; nothing of what was said so far is told to it.
    """

    snapshot: Snapshot | None
    context: dict[str, Any] | None
    kept: KeptView | None
    blobs: BlobStore | None
    inputs: list[InputView] = field(default_factory=list[InputView])
    session: SessionDefinition | None = None


def state_of_wait(saved: SavedRun, drafts: Mapping[str, DraftDecision], fresh: Fresh) -> dict[str, Any]:
    """The state of a run that waited, with decisions about its calls.

    Args:
        saved: The run; it must hold what the run itself knew.
        drafts: The decisions by call.
        fresh: What the new run has of its own.

    Raises:
        DecisionConflictError: A call was decided otherwise before.
    """
    # A run that goes on without its workflow is rare: the others need not import the loop for it.
    from perdure.contracts.frozen import freeze, kept_so_far, thaw
    from perdure.loop.decisions import decide
    from perdure.loop.records import Decision
    from perdure.loop.saving import go_on_with
    from perdure.loop.sending import take

    state = thaw(saved.frozen or {})
    conflicts: list[str] = []
    for call_id, draft in drafts.items():
        call = state.call(call_id)
        since = call.since if call is not None else 0.0  # not the time of now: the same state is the same run
        decision = Decision(draft.approve, reason=draft.reason, always=draft.always, at=since)
        ruling = decide(state, call_id, decision, draft.digest)
        if ruling.verdict not in ("accepted", "repeated"):
            conflicts.append(ruling.explanation)
    for sent in _sent(fresh):
        taken = take(state, sent)
        if taken.verdict not in ("accepted", "repeated"):
            raise UserError(f"Run {saved.run_id!r}: {taken.explanation}")
    if conflicts:
        raise DecisionConflictError(f"Run {saved.run_id!r}: {' '.join(conflicts)}")
    state.context = fresh.context
    go_on_with(state.root, fresh.session)
    if fresh.kept is not None:
        state.root.kept = kept_so_far(fresh.kept, state.root.responses, state.root.requested)
    if fresh.snapshot is not None:
        state.snapshot, state.root.rules = fresh.snapshot, fresh.snapshot.rules
    return _travelling(freeze(state), saved.run_id, fresh.blobs)


def state_of_turn(saved: SavedRun, fresh: Fresh) -> dict[str, Any]:
    """The state of a run at the end of a turn: the next thing is a model call.

    Args:
        saved: The run as it stood then.
        fresh: What the new run has of its own.
    """
    from perdure.contracts.frozen import closed_state, with_session

    record = _stored(saved.entries, fresh.blobs)
    closed = closed_state(
        agent_name=saved.root,
        agent=saved.agent,
        record=record,
        shown=None if saved.shown is None else _stored(saved.shown, fresh.blobs),
        responses=saved.responses,
        usage=saved.usage,
        requests=saved.requests,
        guardrails=saved.guardrails,
        turn=saved.turn,
        max_turns=saved.max_turns,
        input_is_text=saved.input_is_text,
        context=fresh.context,
        snapshot=fresh.snapshot,
        kept=fresh.kept,
        inputs=[each for each in _sent(fresh) if each.items],
    )
    return _travelling(with_session(closed, fresh.session), saved.run_id, fresh.blobs)


def _sent(fresh: Fresh) -> list[SentInput]:
    """The inputs as a run keeps them."""
    from perdure.loop.records import SentInput

    return [
        SentInput(each.message_id, store_items(each.items, fresh.blobs, MAX_MESSAGE_BYTES), each.by, each.withdraw)
        for each in fresh.inputs
    ]


def _travelling(frozen: dict[str, Any], run_id: str, blobs: BlobStore | None) -> dict[str, Any]:
    """The state; where its items are too large to travel, the older ones go to the blob store."""
    from perdure.contracts.frozen import freeze, page_entry, rebase, response_view, thaw
    from perdure.contracts.sealing import seal
    from perdure.loop import long_runs
    from perdure.loop.records import Chunk

    if blobs is None or len(encode(frozen)) <= _ITEMS_BYTES:
        return frozen
    state = thaw(frozen)
    rebase(state, chain_start("", run_id, "", "", 0))  # its chains are fixed now, by what the state itself says
    for frame in state.frames():
        frame.requested.sent = frame.requested.count
    for frame, transcript, upto in list(long_runs.sealable(state, CARRIED_BYTES)):
        start = transcript.first
        entries = [page_entry(entry) for entry in transcript.entries[: upto - start]]
        answers = [response_view(each) for each in frame.responses] if transcript is frame.record else []
        chunks = seal(entries, answers, start, transcript.digest_at(start), blobs)
        long_runs.seal(frame, transcript, [Chunk(**chunk.model_dump()) for chunk in chunks])
    for frame in state.frames():
        frame.requested.sent = 0  # no worker has made a call of the new run yet
    return freeze(state)


def _stored(entries: list[PageEntry], blobs: BlobStore | None) -> list[PageEntry]:
    given = [entry.item for entry in entries]
    items = store_items(given, None, _ITEMS_BYTES) if blobs is None else [store_item(item, blobs) for item in given]
    return [entry.model_copy(update={"item": item}) for entry, item in zip(entries, items, strict=True)]
