"""What every message to a run meets: the run's state, what was ignored, and what is shown."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio import workflow

from perdure.contracts.run import RunSettings
from perdure.errors import describe_exception
from perdure.failpoints import reach
from perdure.keyring import keyring
from perdure.limits import MAX_EARLY_KEPT, MAX_IGNORED_KEPT
from perdure.loop.decisions import Ruling
from perdure.loop.settle import settle
from perdure.loop.state import LoopState
from perdure.redaction import redacted

from .details import details_of
from .opening import known_goal, open_state


@dataclass(frozen=True, slots=True)
class _Early:
    """A message about a call that did not wait when it came, with the history's length then."""

    length: int
    commit: Callable[[], Ruling]
    text: str


class Mailbox:
    """What the handlers of messages share."""

    def __init__(self, run: Any) -> None:
        self.woken = False
        self.settings = RunSettings()
        self.messages: int = 0
        self.continued = False
        self.ignored: list[str] = []
        self._early: deque[_Early] = deque(maxlen=MAX_EARLY_KEPT)
        self.state: LoopState
        self.state, self.settings, self.ignored = open_state(run)
        self.goal = known_goal(run)

    def commit(self, what: str, commit: Callable[[], Ruling]) -> None:
        """Commits what a signal says; what changes nothing is noted, and judged again if it may have come early."""
        reach("decision begins")
        ruling = commit()
        if ruling.verdict == "accepted":
            self.moved()
            return
        text = self.ignore(f"{what}: {ruling.verdict}. {ruling.explanation}")
        if ruling.verdict in ("unknown call", "too late"):
            length = workflow.info().get_current_history_length()
            self._early.append(_Early(length, commit, text))

    def settle_early(self) -> None:
        """Judges again, now that the results of this workflow task are recorded, the signals that came with them.

        Temporal applies the signals of a workflow task before its results, whatever their order in the history. So a
        decision about a call that its sender saw waiting (in a task that a dying worker never finished) can come
        before the answer that makes the call. What came in an earlier task was early indeed, and stays ignored.
        """
        now = workflow.info().get_current_history_length()
        early = [each for each in self._early if each.length == now]
        self._early.clear()
        for each in early:
            if each.commit().verdict != "accepted":
                self._early.append(each)
                continue
            settle(self.state, workflow.time())
            if each.text in self.ignored:
                self.ignored.remove(each.text)

    def moved(self) -> None:
        """A decision may have been all that a turn lacked."""
        settle(self.state, workflow.time())
        self.woken = True
        reach("decision ended")

    def ignore(self, text: str) -> str:
        """Notes it; the run shows it when it wakes, once for all that came in one workflow task."""
        said = describe_exception(ValueError(text))["message"][:400]
        self.ignored = [*self.ignored, said][-MAX_IGNORED_KEPT:]
        self.woken = True
        return said

    def details(self) -> str:
        """What the Temporal UI shows as current details."""
        run = None if keyring() is None else workflow.info().workflow_id
        return redacted(details_of(self.state, self.ignored, run, goal=self.goal))
