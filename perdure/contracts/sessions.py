"""Workflow and activities: a session is read once, and told what is new."""

from __future__ import annotations

from typing import Any

from perdure.contracts.run import ChunkView, PageEntry
from perdure.contracts.steps import Cursor, StepInput
from perdure.definition import Frozen, SessionDefinition

READ_SESSION = "session.read"
WRITE_SESSION = "session.write"


class ReadSessionInput(StepInput):
    """Which session to read, and the input to combine its history with.

    Attributes:
        cursor: The input; `items` are those after the cursor's base.
        origin: The chain's digest before the first item of the transcript that is made of both.
        omit_reasoning_ids: Whether reasoning items of the history go without their ids.
    """

    session: SessionDefinition
    cursor: Cursor
    items: list[dict[str, Any]]
    origin: str
    omit_reasoning_ids: bool = False


class ReadSessionOutput(Frozen):
    """History and input, combined.

    Attributes:
        chunks: Older items that lie in the blob store; `entries` come after them.
        new: What of it the session does not have yet, in stored form.
        last: Digests of the session's last items.
    """

    chunks: list[ChunkView] = []
    entries: list[PageEntry]
    new: list[dict[str, Any]]
    last: list[str] = []


class WriteSessionInput(StepInput):
    """One write to a session.

    Attributes:
        key: The same over attempts, crashes and workers.
        items: In stored form.
        last: Digests of the last items that the session had when the run last read it or wrote to it.
        again: Whether it may have been made already, by an activity before this one.
        omit_reasoning_ids: Whether reasoning items go without their ids.
    """

    session: SessionDefinition
    key: str
    items: list[dict[str, Any]]
    last: list[str] = []
    again: bool = False
    omit_reasoning_ids: bool = False


class WriteSessionOutput(Frozen):
    """The session has the items; `last` is for the next write."""

    last: list[str] = []
