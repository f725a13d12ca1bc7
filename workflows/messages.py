"""What can be said to a run, and what it answers.

Every handler takes whatever comes: any number of payloads, of any type and size. What it cannot use it notes and
ignores, because an exception in a handler would wedge the run and a dropped message would be a riddle to its sender.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from perdure.contracts.frozen import freeze
from perdure.contracts.messages import (
    CONTINUED_TEXT,
    ApprovalView,
    DecisionMessage,
    Receipt,
    StatusView,
    UpdateMessage,
    read_decision,
)
from perdure.contracts.run import PageRequest, RunInput, RunSettings, TranscriptPage
from perdure.contracts.tokens import Tokens
from perdure.errors import describe_exception
from perdure.limits import MAX_EARLY_KEPT, MAX_IGNORED_KEPT, MAX_PAGE_BYTES
from perdure.loop.decisions import Ruling, decide, judge_decision
from perdure.loop.records import Decision
from perdure.loop.settle import settle
from perdure.loop.state import LoopState

from .opening import NOTHING, open_state
from .pages import page_of
from .views import approvals_of, details_of, status_of

_APPROVE = (
    'Approve one waiting call: {"call_id": "2.0", "by": "you"}. Optional: "digest" (the call must have it), '
    '"always": true (holds for later calls of this tool in this run).'
)
_REJECT = (
    'Reject one waiting call: {"call_id": "2.0", "by": "you", "reason": "told to the model"}. Optional: as for approve.'
)
_DECIDE = 'Approve or reject with a receipt: {"decision": "approve", "call_id": "2.0", "by": "you"}.'


@dataclass(frozen=True, slots=True)
class _Early:
    """A decision about a call that did not wait when it came, with the history's length then."""

    length: int
    message: DecisionMessage
    decision: Decision
    text: str


class Messages:
    """The signals, the update and the queries of `AgentRun`."""

    def __init__(self, run: Any) -> None:
        self.woken = False
        self.settings = RunSettings()
        self.messages = 0
        self.continued = False
        self.ignored: list[str] = []
        self._early: list[_Early] = []
        self.state: LoopState
        self.state, self.settings, self.ignored = open_state(run)

    @workflow.signal(name="approve", description=_APPROVE)
    def approve(self, decision: Any = NOTHING, *rest: Any) -> None:
        """Approves a call."""
        self._signalled("approve", decision, rest)

    @workflow.signal(name="reject", description=_REJECT)
    def reject(self, decision: Any = NOTHING, *rest: Any) -> None:
        """Rejects a call."""
        self._signalled("reject", decision, rest)

    @workflow.signal(dynamic=True)
    def other(self, name: str, args: Sequence[RawValue]) -> None:
        """Takes signals that no run knows, so that they are seen in `status` instead of buffered for ever."""
        self.messages += 1
        self._ignore(f"signal {name!r:.80}: a run knows approve and reject")

    @workflow.update(name="decide", description=_DECIDE)
    def decide(self, decision: Any = NOTHING, *rest: Any) -> Receipt:
        """Commits a decision; a refused one has raised in the validator and left nothing in the history."""
        self.messages += 1
        message = read_decision(UpdateMessage, _only(decision, rest))
        ruling = decide(self.state, message.call_id, self._decision(message), message.digest)
        self._moved()
        return Receipt(call_id=ruling.call_id, verdict=ruling.verdict, explanation=ruling.explanation)

    @decide.validator
    def check_decision(self, decision: Any = NOTHING, *rest: Any) -> None:
        """Refuses what would change nothing; the same decision again is welcome."""
        try:
            message = read_decision(UpdateMessage, _only(decision, rest))
        except ValueError as error:
            raise ApplicationError(str(error), type="MalformedDecision", non_retryable=True) from None
        ruling = judge_decision(self.state, message.call_id, self._decision(message), message.digest)
        if ruling.verdict not in ("accepted", "repeated"):
            raise ApplicationError(ruling.explanation, type="DecisionRefused", non_retryable=True)

    @workflow.query(name="status", description="What the run does, what it waits for and why")
    def status(self) -> StatusView:
        """What the run does."""
        return status_of(self._told(), self.ignored)

    @workflow.query(name="approvals", description="The calls that wait for a decision")
    def approvals(self) -> list[ApprovalView]:
        """The calls that wait for a decision."""
        return approvals_of(self._told())

    @workflow.query(name="transcript", description='What was said, by pages of 1 MiB: {"start": 0, "upto": 20}')
    def transcript(self, page: PageRequest | None = None) -> TranscriptPage:
        """Some of the items."""
        return page_of(self._told(), page or PageRequest(), MAX_PAGE_BYTES)

    @workflow.query(name="definition", description="The agents as this run fixed them")
    def definition(self) -> RunInput:
        """The snapshot, for a worker that has not seen it."""
        state = self._told()
        return RunInput(agent=state.agent_name, snapshot=state.snapshot, settings=self.settings)

    @workflow.query(name="state", description="All that the run knows, as another run could go on from it")
    def frozen(self) -> dict[str, Any]:
        """The state as JSON."""
        return freeze(self._told())

    @workflow.query(name="usage", description="Requests and tokens so far")
    def usage(self) -> Tokens:
        """What the run has used."""
        return Tokens.of(self._told().usage)

    def _told(self) -> LoopState:
        """The state that a query is answered from.

        Raises:
            ApplicationError: The run has gone on in a new history, which has the answer.
        """
        if self.continued:
            raise ApplicationError(CONTINUED_TEXT, type="RunContinued", non_retryable=True)
        return self.state

    def show(self) -> None:
        """Sets what the Temporal UI shows as current details."""
        workflow.set_current_details(details_of(self.state, self.ignored))

    def _signalled(self, verb: str, value: Any, rest: Sequence[Any]) -> None:
        self.messages += 1
        try:
            message = read_decision(DecisionMessage, _only(value, rest))
        except ValueError as error:
            self._ignore(f"{verb}: {error}")
            return
        decision = self._decision(message, approve=verb == "approve")
        ruling = decide(self.state, message.call_id, decision, message.digest)
        if ruling.verdict == "accepted":
            self._moved()
            return
        text = self._ignore(f"{verb} {message.call_id!r:.80} by {message.by!r:.80}: {_said(ruling)}")
        if ruling.verdict in ("unknown call", "too late"):
            length = workflow.info().get_current_history_length()
            self._early = [*self._early, _Early(length, message, decision, text)][-MAX_EARLY_KEPT:]

    def settle_early(self) -> None:
        """Judges again, now that the results of this workflow task are recorded, the signals that came with them.

        Temporal applies the signals of a workflow task before its results, whatever their order in the history. So a
        decision about a call that its sender saw waiting (in a task that a dying worker never finished) can come
        before the answer that makes the call. What came in an earlier task was early indeed, and stays ignored.
        """
        now = workflow.info().get_current_history_length()
        early, self._early = [each for each in self._early if each.length == now], []
        for each in early:
            if decide(self.state, each.message.call_id, each.decision, each.message.digest).verdict != "accepted":
                self._early.append(each)
                continue
            settle(self.state, workflow.time())
            if each.text in self.ignored:
                self.ignored.remove(each.text)

    def _moved(self) -> None:
        """A decision may have been all that a turn lacked."""
        settle(self.state, workflow.time())
        self.woken = True

    def _decision(self, message: DecisionMessage, *, approve: bool | None = None) -> Decision:
        if isinstance(message, UpdateMessage):
            approve = message.decision == "approve"
        return Decision(bool(approve), message.by, message.reason, message.always, workflow.time())

    def _ignore(self, text: str) -> str:
        said = describe_exception(ValueError(text))["message"][:400]
        self.ignored = [*self.ignored, said][-MAX_IGNORED_KEPT:]
        self.show()
        return said


def _only(value: Any, rest: Sequence[Any]) -> Any:
    """The one value that a message has.

    Raises:
        ValueError: It has none, or more.
    """
    if value is NOTHING or rest:
        raise ValueError(f"expected one JSON object, got {len(rest) + (value is not NOTHING)} values")
    return value


def _said(ruling: Ruling) -> str:
    return f"{ruling.verdict}. {ruling.explanation}"
