"""What is said to a run that is to stop after its turn, and what it answers."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from perdure.contracts.incoming import Addressed
from perdure.definition import Frozen


class StopMessage(Addressed):
    """Asks a run to stop once its open turn has ended.

    Attributes:
        withdraw: Take that back.
        by: Who says it: a claim of the sender.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    withdraw: bool = False
    by: str | None = Field(default=None, max_length=256)


class StopReceipt(Frozen):
    """What becomes of the run: whether it stops once its open turn has ended, and whether it has already."""

    stopping: bool
    stopped: bool
