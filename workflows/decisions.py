"""Decisions about calls, and words about calls whose outcome nobody knows: by signal, and by update with a receipt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from perdure.contracts.messages import DecisionMessage, Receipt, ResolutionMessage, UpdateMessage, read_message
from perdure.failpoints import reach
from perdure.loop.decisions import decide, judge_decision
from perdure.loop.records import Decision
from perdure.loop.resolutions import judge_resolution, resolve

from .mailbox import Mailbox
from .opening import NOTHING
from .reading import check_ruling, only, resolution_of

_APPROVE = (
    'Approve one waiting call: {"call_id": "2.0", "by": "you"}. Optional: "digest" (the call must have it), '
    '"always": true (holds for later calls of this tool in this run).'
)
_REJECT = (
    'Reject one waiting call: {"call_id": "2.0", "by": "you", "reason": "told to the model"}. Optional: as for approve.'
)
_DECIDE = 'Approve or reject with a receipt: {"decision": "approve", "call_id": "2.0", "by": "you"}.'
_RESOLVE = (
    'Say what became of a call whose outcome is unknown: {"call_id": "2.0", "outcome": "happened", "by": "you"}. '
    'Outcomes: "happened" (optional: "result"), "not_happened", "retry". Optional: "digest".'
)


class Decisions(Mailbox):
    """The signals and updates of `AgentRun` about calls."""

    @workflow.signal(name="approve", description=_APPROVE)
    def approve(self, decision: Any = NOTHING, *rest: Any) -> None:
        """Approves a call."""
        self._signalled("approve", decision, rest)

    @workflow.signal(name="reject", description=_REJECT)
    def reject(self, decision: Any = NOTHING, *rest: Any) -> None:
        """Rejects a call."""
        self._signalled("reject", decision, rest)

    @workflow.signal(name="resolve", description=_RESOLVE)
    def resolve(self, resolution: Any = NOTHING, *rest: Any) -> None:
        """Says what became of a call whose outcome is unknown."""
        self.messages += 1
        try:
            message = read_message(ResolutionMessage, only(resolution, rest))
        except ValueError as error:
            self.ignore(f"resolve: {error}")
            return
        said = resolution_of(message)
        self.commit(
            f"resolve {message.call_id!r:.80} by {message.by!r:.80}",
            lambda: resolve(self.state, message.call_id, said, message.digest),
        )

    @workflow.update(name="decide", description=_DECIDE)
    def decide(self, decision: Any = NOTHING, *rest: Any) -> Receipt:
        """Commits a decision; a refused one has raised in the validator and left nothing in the history."""
        self.messages += 1
        reach("decision begins")
        message = read_message(UpdateMessage, only(decision, rest))
        ruling = decide(self.state, message.call_id, self._decision(message), message.digest)
        self.moved()
        return Receipt(call_id=ruling.call_id, verdict=ruling.verdict, explanation=ruling.explanation)

    @decide.validator
    def check_decision(self, decision: Any = NOTHING, *rest: Any) -> None:
        """Refuses what would change nothing; the same decision again is welcome."""
        try:
            message = read_message(UpdateMessage, only(decision, rest))
        except ValueError as error:
            raise ApplicationError(str(error), type="MalformedDecision", non_retryable=True) from None
        check_ruling(judge_decision(self.state, message.call_id, self._decision(message), message.digest))

    @workflow.update(name="resolve", description=_RESOLVE)
    def tell_outcome(self, resolution: Any = NOTHING, *rest: Any) -> Receipt:
        """Commits what is said of a call's outcome; what would change nothing has raised in the validator."""
        self.messages += 1
        message = read_message(ResolutionMessage, only(resolution, rest))
        ruling = resolve(self.state, message.call_id, resolution_of(message), message.digest)
        self.moved()
        return Receipt(call_id=ruling.call_id, verdict=ruling.verdict, explanation=ruling.explanation)

    @tell_outcome.validator
    def check_outcome(self, resolution: Any = NOTHING, *rest: Any) -> None:
        """Refuses what would change nothing; the same word again is welcome."""
        try:
            message = read_message(ResolutionMessage, only(resolution, rest))
        except ValueError as error:
            raise ApplicationError(str(error), type="MalformedResolution", non_retryable=True) from None
        check_ruling(judge_resolution(self.state, message.call_id, resolution_of(message), message.digest))

    def _signalled(self, verb: str, value: Any, rest: Sequence[Any]) -> None:
        self.messages += 1
        try:
            message = read_message(DecisionMessage, only(value, rest))
        except ValueError as error:
            self.ignore(f"{verb}: {error}")
            return
        decision = self._decision(message, approve=verb == "approve")
        self.commit(
            f"{verb} {message.call_id!r:.80} by {message.by!r:.80}",
            lambda: decide(self.state, message.call_id, decision, message.digest),
        )

    def _decision(self, message: DecisionMessage, *, approve: bool | None = None) -> Decision:
        if isinstance(message, UpdateMessage):
            approve = message.decision == "approve"
        return Decision(bool(approve), message.by, message.reason, message.always, workflow.time())
