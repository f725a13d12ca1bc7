"""What can be said to a run, and what it answers.

Every handler takes whatever comes: any number of payloads, of any type and size. What it cannot use it notes and
ignores, because an exception in a handler would wedge the run and a dropped message would be a riddle to its sender.
"""

from __future__ import annotations

from collections.abc import Sequence

from temporalio import workflow
from temporalio.common import RawValue

from .decisions import Decisions
from .queries import Queries
from .speaking import Speaking


class Messages(Decisions, Speaking, Queries):
    """The signals, updates and queries of `AgentRun`."""

    @workflow.signal(dynamic=True)
    def other(self, name: str, args: Sequence[RawValue]) -> None:
        """Takes signals that no run knows, so that they are seen in `status` instead of buffered for ever."""
        self.messages += 1
        self.ignore(f"signal {name!r:.80}: a run knows approve, reject, resolve, pause, interrupt and resume")
