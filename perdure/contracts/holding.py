"""What is said to a run that is to pause, to go on, or to wait for instructions, and what it answers."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from perdure.contracts.incoming import Addressed
from perdure.definition import Frozen


class HoldMessage(Addressed):
    """Asks a run to pause, to resume, or to stop its model and wait for instructions, as it is sent.

    Attributes:
        by: Who says it: a claim of the sender.
        reason: Why; shown with the run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    by: str | None = Field(default=None, max_length=256)
    reason: str | None = Field(default=None, max_length=1000)


class HoldReceipt(Frozen):
    """What became of that: `"accepted"`, `"repeated"` if it was so already, or `"sent"` where nobody has read it yet.

    Attributes:
        explanation: One sentence for the sender.
    """

    verdict: str
    explanation: str


class HoldView(Frozen):
    """Who holds a run up, why, and since when (ISO 8601, UTC)."""

    by: str | None = None
    reason: str | None = None
    since: str
