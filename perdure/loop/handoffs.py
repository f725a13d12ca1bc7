"""A handoff: the first one that a turn makes is carried out, after the turn's tools; another agent becomes active."""

from __future__ import annotations

import json
from typing import Any

from perdure.canonical import encode
from perdure.definition import HandoffDefinition
from perdure.loop.edits import EditedHistory, EditedItem, Rewritten
from perdure.loop.frames import begin_turn, fail_frame
from perdure.loop.records import Entry, EntryKind, Failure
from perdure.loop.saving import save_turn
from perdure.loop.showing import new_epoch, prune
from perdure.loop.state import Frame, LoopState
from perdure.transcript import chain_start_below

_IGNORED = "Multiple handoffs detected, ignoring this one."


def begin_handoff(state: LoopState, frame: Frame) -> None:
    """Carries out the turn's first handoff, or lets a function of the user say to whom it goes."""
    handoff = frame.handoffs[0]
    if handoff.definition.invokes or handoff.definition.agent is None:
        frame.stage = "handing off"
    else:
        hand_off(state, frame, handoff.definition.agent)


def refuse_handoffs(frame: Frame, text: str) -> None:
    """Answers the turn's handoffs, of which none is carried out."""
    for refused in frame.handoffs:
        frame.append(encode(_output(refused.item, text)), "output")


def hand_off(state: LoopState, frame: Frame, target: str) -> None:
    """Answers the turn's handoffs: the others are ignored, the first one goes to `target`."""
    for ignored in frame.handoffs[1:]:
        frame.append(encode(_output(ignored.item, _IGNORED)), "output")
    first = frame.handoffs[0]
    first.target = target
    said = json.dumps({"assistant": state.agents[target].name})
    frame.append(encode(_output(first.item, said)), "handed_off", target)
    frame.stage = "announcing"


def _output(call: dict[str, Any], text: str) -> dict[str, Any]:
    return {"call_id": call["call_id"], "output": text, "type": "function_call_output"}


def edits_history(frame: Frame, handoff: HandoffDefinition) -> bool:
    """Whether the next agent gets something else than what was said."""
    return handoff.filters or frame.rules.handoff_filter or nests_history(frame, handoff)


def nests_history(frame: Frame, handoff: HandoffDefinition) -> bool:
    """Whether the next agent gets the conversation so far as one message, where nothing else edits or keeps it."""
    if handoff.filters or frame.rules.handoff_filter or frame.kept is not None:
        return False
    return frame.rules.nest_handoffs if handoff.nest is None else handoff.nest


def after_announcing(state: LoopState, frame: Frame) -> None:
    """Edits the history, if the handoff wants it, before the next agent goes on."""
    handoff = frame.handoffs[0].definition
    if not edits_history(frame, handoff):
        take_over(frame)
    elif frame.kept is not None:
        text = (
            "A handoff's input filter cannot edit a conversation that the provider keeps: leave the filter out, or "
            "conversation_id, previous_response_id and auto_previous_response_id."
        )
        fail_frame(frame, Failure("UserError", text))
    else:
        frame.stage = "filtering"


def take_over(frame: Frame) -> None:
    """Makes the handoff's target the active agent."""
    frame.agent, frame.greeted = frame.handoffs[0].target, False
    frame.calls, frame.handoffs = [], []
    begin_turn(frame)


def edit_history(state: LoopState, frame: Frame, edited: EditedHistory) -> None:
    """Replaces what the model gets by what a filter made of it.

    The record keeps what was said in earlier turns; the run's input and what this turn said are as the filter left
    them. Both begin a new epoch. What nesting puts into the input has its turn there: it was said by then.
    """
    _keep_responses(frame)
    origin = state.root.record.origin
    frame.input_is_text = edited.input_is_text
    if edited.record is not None:
        save_turn(frame)  # as it was said: what the filter left of it may be sealed
        _take(frame, origin, edited.record, edited)
        return
    inputs = [_entry(frame, item, "input") for item in edited.input]
    if not nests_history(frame, frame.handoffs[0].definition):
        inputs = [entry._replace(turn=0) for entry in inputs]
    before = [_entry(frame, item) for item in edited.before]
    new = [_entry(frame, item) for item in edited.new]
    earlier = [
        entry._replace(digest="")
        for entry in frame.record.entries[frame.record.given : turn_start(frame)]
        if entry.kind != "input"
    ]
    shown = None if edited.shown is None else [_entry(frame, item) for item in edited.shown]
    shown = [*before, *new] if shown is None else shown
    record = [*inputs, *earlier, *new]
    rewritten = [*inputs, *shown]
    frame.record = new_epoch(frame, origin, record)
    frame.shown = frame.record if rewritten == record else new_epoch(frame, origin, rewritten)
    prune(frame, origin)


def _take(frame: Frame, origin: str, record: Rewritten, edited: EditedHistory) -> None:
    """Takes the transcripts of an edit that was carried out where the sealed items are."""
    shown, pruned = edited.rewritten, edited.pruned
    frame.record = new_epoch(frame, origin, record.entries, record.sealed)
    frame.shown = frame.record if shown is None else new_epoch(frame, origin, shown.entries, shown.sealed)
    frame.pruned = None if pruned is None else new_epoch(frame, origin, pruned.entries, pruned.sealed)


def edited_origins(state: LoopState, frame: Frame) -> list[str]:
    """The chains' digests before the first items of the transcripts that an edit makes, in their order."""
    origin = state.root.record.origin
    return [chain_start_below(origin, frame.path, frame.epochs + number) for number in range(3)]


def turn_start(frame: Frame) -> int:
    """The place in the record of the open turn's first item."""
    return frame.responses[-1].first


def shown_turn_start(frame: Frame) -> int:
    """The same place in what the model gets; a turn's items end both."""
    return frame.shown.count - (frame.record.count - turn_start(frame))


def _keep_responses(frame: Frame) -> None:
    """Copies what the answers brought out of a record that is about to be edited."""
    for response in frame.responses:
        if response.items is None:
            items = frame.record.after(response.first)[: response.count]
            response.items = [entry.data for entry in items]


def _entry(frame: Frame, item: EditedItem, kind: EntryKind | None = None) -> Entry:
    """An item of an edit: one that the model was shown before, or a new one."""
    if item.place is None:
        agent = item.agent or frame.agent
        return Entry(encode(item.item), kind or item.kind, agent, frame.turn, "", item.target)
    [old] = frame.shown.after(item.place)[:1]
    return old._replace(kind=kind or old.kind, digest="")
