"""What a run answers to queries: they leave nothing in its history."""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from perdure.contracts.frozen import freeze
from perdure.contracts.messages import CONTINUED_TEXT, ApprovalView, StatusView
from perdure.contracts.run import PageRequest, RunInput, TranscriptPage
from perdure.contracts.tokens import Tokens
from perdure.limits import MAX_PAGE_BYTES
from perdure.loop.state import LoopState

from .mailbox import Mailbox
from .pages import page_of
from .views import approvals_of, status_of


class Queries(Mailbox):
    """The queries of `AgentRun`."""

    @workflow.query(name="status", description="What the run does, what it waits for and why")
    def status(self) -> StatusView:
        """What the run does."""
        return status_of(self._told(), self.ignored, self.settings)

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
        told = state.root.session
        session = None if told is None or told.kept is not None else told.definition
        return RunInput(agent=state.agent_name, snapshot=state.snapshot, settings=self.settings, session=session)

    @workflow.query(name="state", description="All that the run knows, as another run could go on from it")
    def frozen(self) -> dict[str, Any]:
        """The state as JSON."""
        return freeze(self._told())

    @workflow.query(name="usage", description="Requests, tokens and US dollars so far")
    def usage(self) -> Tokens:
        """What the run itself has used: a thread with all its messages, and nothing that another run has paid for."""
        return Tokens.of(self._told().paid)

    def _told(self) -> LoopState:
        """The state that a query is answered from.

        Raises:
            ApplicationError: The run has gone on in a new history, which has the answer.
        """
        if self.continued:
            raise ApplicationError(CONTINUED_TEXT, type="RunContinued", non_retryable=True)
        return self.state
