"""What is told of a run in short: in a list of runs, and when it was deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class RunSummary:
    """A run in a list.

    Attributes:
        listed: Whether it waits for a person, and for what, as `PerdureStatus` in the Temporal UI; empty where the
            namespace has no such search attribute.
        cost_usd: What it had cost when that changed last, as far as it is known; `None` likewise.
    """

    id: str
    agent: str
    status: str
    started: datetime
    closed: datetime | None
    queue: str
    url: str | None
    listed: str = ""
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class DeletedRun:
    """What was deleted with a run.

    Attributes:
        histories: How many; a long run has several, and each of its effects has one.
        blobs: How many blobs, `bytes` on the disk.
        kept: Why its blobs stay, if they do; `perdure blobs prune` removes them when that has passed.
    """

    histories: int
    blobs: int = 0
    bytes: int = 0
    kept: str = ""
