"""Where a new run goes on: from a run that waited, with the decisions about its calls, or from the end of a turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perdure.blobs import BlobStore, store_items
from perdure.client.saving import SavedRun
from perdure.contracts.run import KeptView, PageEntry
from perdure.definition import Snapshot
from perdure.errors import DecisionConflictError
from perdure.limits import MAX_COMMAND_BYTES
from perdure.state import DraftDecision

_ITEMS_BYTES = MAX_COMMAND_BYTES // 2  # the other half is for the agents, the context and what is known of the turns


def state_of_wait(
    saved: SavedRun,
    drafts: Mapping[str, DraftDecision],
    snapshot: Snapshot | None,
    context: dict[str, Any] | None,
    kept: KeptView | None,
) -> dict[str, Any]:
    """The state of a run that waited, with decisions about its calls.

    Args:
        saved: The run; it must hold what the run itself knew.
        drafts: The decisions by call.
        snapshot: The agents as they are now; `None`: as the run fixed them.
        context: The context's state to go on with.
        kept: What the provider is to keep of the conversation from now on; `None`: what it kept.

    Raises:
        DecisionConflictError: A call was decided otherwise before.
    """
    # A run that goes on without its workflow is rare: the others need not import the loop for it.
    from perdure.contracts.frozen import freeze, kept_so_far, thaw
    from perdure.loop.decisions import decide
    from perdure.loop.records import Decision

    state = thaw(saved.frozen or {})
    conflicts: list[str] = []
    for call_id, draft in drafts.items():
        call = state.call(call_id)
        since = call.since if call is not None else 0.0  # not the time of now: the same state is the same run
        decision = Decision(draft.approve, reason=draft.reason, always=draft.always, at=since)
        ruling = decide(state, call_id, decision, draft.digest)
        if ruling.verdict not in ("accepted", "repeated"):
            conflicts.append(ruling.explanation)
    if conflicts:
        raise DecisionConflictError(f"Run {saved.run_id!r}: {' '.join(conflicts)}")
    state.context = context
    if kept is not None:
        state.root.kept = kept_so_far(kept, state.root.responses, state.root.requested)
    if snapshot is not None:
        state.snapshot, state.root.rules = snapshot, snapshot.rules
    return freeze(state)


def state_of_turn(
    saved: SavedRun,
    snapshot: Snapshot | None,
    context: dict[str, Any] | None,
    blobs: BlobStore | None,
    kept: KeptView | None,
) -> dict[str, Any]:
    """The state of a run at the end of a turn: the next thing is a model call.

    Args:
        saved: The run as it stood then.
        snapshot: The agents; `None`: a worker takes the snapshot of the one with the run's name.
        context: The context's state to go on with.
        blobs: Where large items lie.
        kept: What the provider keeps of the conversation.
    """
    from perdure.contracts.frozen import closed_state

    record = _stored(saved.entries, blobs)
    return closed_state(
        agent_name=saved.root,
        agent=saved.agent,
        record=record,
        shown=None if saved.shown is None else _stored(saved.shown, blobs),
        responses=saved.responses,
        usage=saved.usage,
        requests=saved.requests,
        guardrails=saved.guardrails,
        turn=saved.turn,
        max_turns=saved.max_turns,
        input_is_text=saved.input_is_text,
        context=context,
        snapshot=snapshot,
        kept=kept,
    )


def _stored(entries: list[PageEntry], blobs: BlobStore | None) -> list[PageEntry]:
    items = store_items([entry.item for entry in entries], blobs, _ITEMS_BYTES)
    return [entry.model_copy(update={"item": item}) for entry, item in zip(entries, items, strict=True)]
