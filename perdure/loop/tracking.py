"""What a frame has to do with its session: what it was told, and what is due."""

from __future__ import annotations

from dataclasses import dataclass, field

from perdure.definition import SessionDefinition
from perdure.loop.records import Failure


@dataclass(slots=True)
class Due:
    """One write to a session: its number among those of the run, who names it, and the items in stored form.

    Attributes:
        again: Whether another run may have made it already.
    """

    number: int
    writer: str
    items: list[bytes]
    again: bool = False


@dataclass(slots=True)
class SessionTrack:
    """What a frame has to do with its session.

    Attributes:
        writer: What names the run in the keys of its writes.
        is_read: Whether its history has been put before the input.
        writes: How many writes there were, with those that are due.
        due: What is to be told, oldest first; the first may be in flight.
        saved: Digests of what was told, or is due, of the turn `turn`.
        last: Digests of the last items that the session is known to have.
        failure: What the frame ends in once all is told.
        kept: Of a message's run, whose thread is its session: what it was told of the message.
    """

    definition: SessionDefinition
    writer: str
    is_read: bool = False
    writes: int = 0
    due: list[Due] = field(default_factory=list[Due])
    turn: int = 0
    saved: list[str] = field(default_factory=list[str])
    last: list[str] = field(default_factory=list[str])
    failure: Failure | None = None
    kept: list[bytes] | None = None
