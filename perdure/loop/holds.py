"""What holds a run up: somebody has paused or interrupted it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, frozen=True)
class Hold:
    """Who holds a run up, why, and since when."""

    by: str | None = None
    reason: str | None = None
    at: float = 0.0  # seconds since the epoch, the workflow's time


@dataclass(slots=True)
class Steering:
    """How a run under way is steered.

    Attributes:
        paused: Nothing begins until the run is resumed.
        interrupted: Nothing begins until the run is told what to do.
        stopped: The model calls in flight that were told to stop, by their steps' ids: what they end in is no answer.
    """

    paused: Hold | None = None
    interrupted: Hold | None = None
    stopped: list[str] = field(default_factory=list[str])

    @property
    def is_held(self) -> bool:
        """Whether nothing may begin."""
        return self.paused is not None or self.interrupted is not None
