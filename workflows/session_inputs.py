"""What the steps about a session are told."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from perdure.contracts.sessions import ReadSessionInput, WriteSessionInput
from perdure.loop.handoffs import edited_origins
from perdure.loop.state import Frame, LoopState
from perdure.loop.steps import OFFERED_AGAIN, UseSession
from perdure.loop.tracking import Due, SessionTrack

from .call_inputs import surroundings
from .inputs import cursor_of


def read_input(state: LoopState, frame: Frame, session: SessionTrack) -> ReadSessionInput:
    """One look at the history, for the input that stands in the record."""
    cursor, items = cursor_of(frame.record)
    return ReadSessionInput(
        **surroundings(state, frame, with_context=False),
        session=session.definition,
        cursor=cursor,
        items=items,
        origin=edited_origins(state, frame)[0],
        **_rules(frame),
    )


def write_input(state: LoopState, frame: Frame, session: SessionTrack, step: UseSession) -> WriteSessionInput:
    """The oldest write that is due; one that a worker declined may have been made by an earlier attempt."""
    due = session.due[0]
    extras: dict[str, Any] = {"last": session.last} if session.last else {}
    if due.again or OFFERED_AGAIN in step.id:
        extras["again"] = True
    return WriteSessionInput(
        **surroundings(state, frame, with_context=False),
        session=session.definition,
        key=_key(frame.path, due),
        items=[json.loads(item) for item in due.items],
        **extras,
        **_rules(frame),
    )


def _key(path: str, due: Due) -> str:
    """Names a write: by run, agent as a tool and number, and by what is written, as a reset run may write otherwise."""
    nested = [_digest(path.encode())] if path else []
    return ".".join([due.writer, *nested, str(due.number), _digest(b"\n".join(due.items))])


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _rules(frame: Frame) -> dict[str, Any]:
    return {"omit_reasoning_ids": True} if frame.rules.omit_reasoning_ids else {}
