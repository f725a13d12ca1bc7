"""A run: what can be asked of it and said to it, from any process that reaches its namespace."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any, Literal, TypeVar

from perdure.agent import Agent
from perdure.client.conversing import MessageTelling
from perdure.client.deleting import delete_run
from perdure.client.deltas import Deltas
from perdure.client.diagnosis import Diagnosis
from perdure.client.ending import result, result_or_pause
from perdure.client.explaining import explain
from perdure.client.following import follow
from perdure.client.forking import fork
from perdure.client.host import Host
from perdure.client.outcomes import Caller
from perdure.client.starting import Found
from perdure.client.streaming import Streaming
from perdure.client.telling import Telling
from perdure.client.watching import waits
from perdure.connection import run_url
from perdure.contracts.effects import EffectOutcome
from perdure.contracts.messages import ApprovalView, Receipt, ResolutionMessage, StatusView
from perdure.contracts.run import PageEntry
from perdure.items import ToolApprovalItem
from perdure.result import RunResult
from perdure.result_streaming import Notice
from perdure.run_summary import DeletedRun
from perdure.state import RunState
from perdure.steered_run import SteeredRun
from perdure.stream_events import RunEvent

_T = TypeVar("_T")


class Run(SteeredRun):
    """A run under way or ended.

    Attributes:
        url: Its page in the Temporal UI, if the UI's address is known.
        was_closed: Whether it had ended when it was found.
    """

    def __init__(
        self, host: Host, caller: Caller, found: Found, url: str | None, execution: Telling | None = None
    ) -> None:
        super().__init__(host, execution or Telling(host, caller, found))
        self._caller = caller
        self.url = url
        self.was_closed = found.closed
        self._is_new = found.started

    @classmethod
    async def known(cls, host: Host, caller: Caller, found: Found, sequence: int = 0) -> Run:
        """The run that was found; of a thread, its message with this number."""
        connection = await host.call(host.connection())
        execution = MessageTelling(host, caller, found, sequence) if sequence else None
        return Run(host, caller, found, run_url(connection, caller.run_id, found.workflow_run_id), execution)

    @property
    def id(self) -> str:
        """The run's id."""
        return self._caller.run_id

    @property
    def sequence(self) -> int:
        """Of a thread's message: its number; else 0."""
        return self._execution.sequence if isinstance(self._execution, MessageTelling) else 0

    @property
    def task_queue(self) -> str:
        """The queue whose workers serve the run."""
        return self._execution.queue

    @property
    def agent(self) -> Agent[Any]:
        """The agent that the run was started with; of a run known by id only, its name."""
        return self._caller.agent

    async def result(self) -> RunResult:
        """Waits to the run's end, through all its approvals.

        Raises:
            AgentsException: What the run ended in, as the Agents SDK would raise it, or a user's own exception.
        """
        return await self._host.call(result(self._execution))

    async def result_or_interruptions(self) -> RunResult:
        """Waits until the run ends or nothing but decisions can move it on."""
        return await self._host.call(result_or_pause(self._execution))

    async def stream(self, deltas: Deltas, state: RunState[Any] | None, hand: Callable[[Notice], None]) -> RunResult:
        """Waits like `result_or_interruptions`, and hands on what happens meanwhile; for `Runner.run_streamed`."""
        document = None if state is None else state.document
        is_new = self._is_new and state is None
        begun = None
        if isinstance(self._execution, MessageTelling) and state is None:
            begun = await self._host.call(self._execution.begun())
        await self._host.call(deltas.reach(self.id, self.task_queue))
        streaming = Streaming(self._execution, deltas, document, hand, is_new=is_new, begun=begun)
        return await self._host.call(streaming.through())

    async def status(self) -> StatusView:
        """What the run does and what it waits for."""
        return await self._host.call(self._execution.query("status", StatusView))

    async def why(self) -> Diagnosis:
        """Why it does not go on: whom or what it waits for, or how it ended.

        Takes some 5 seconds at most, whether anybody serves the run or not, and changes nothing.
        """
        return await self._host.call(explain(self._host, self.id, self._execution))

    async def approvals(self) -> list[ApprovalView]:
        """The calls that wait for a decision now."""
        return await self._host.call(self._execution.query("approvals", list[ApprovalView]))

    async def transcript(self) -> list[PageEntry]:
        """All items so far, with who said them."""
        return (await self._host.call(self._execution.said())).entries

    async def events(self, *, after: str | None = None, raw: bool = False) -> AsyncGenerator[RunEvent]:
        """What the run says and does: each item and each change of agents once, in order, until the run ends.

        It is told from any process, before, during and after the run.

        Args:
            after: The offset of an event: what comes after it is told. By default all.
            raw: Tell what its models say while they say it, too, as `RawResponsesStreamEvent`: from now on they are
                asked for streams. It may be lost; the items that come of it are not.

        Raises:
            UserError: The run has no event with this offset.
            RunUnattended: Nobody serves the run, and this process cannot answer for it.
        """
        following = follow(self._execution.apart(), after, is_closed=self.was_closed, raw=raw)
        try:
            while (event := await self._host.call(_next(following))) is not None:
                yield event
        finally:
            await self._host.call(following.aclose())

    async def watch_approvals(self) -> AsyncGenerator[ApprovalView]:
        """Yields each call that comes to wait for a decision, until the run ends."""
        seen: set[str] = set()
        watching = waits(self._host, self.id, self._execution.workflow_run_id)
        try:
            while True:
                waiting = await self._host.call(_next(watching))
                if waiting is None:
                    return
                for approval in await self.approvals() if waiting else []:
                    if approval.call_id not in seen:
                        seen.add(approval.call_id)
                        yield approval
        finally:
            await self._host.call(watching.aclose())

    async def approve(
        self, approval: ApprovalView | ToolApprovalItem | str, *, by: str | None = None, always: bool = False
    ) -> Receipt:
        """Approves a call: its view, its item, or its id.

        Args:
            approval: An id alone approves whatever the call is; a view or item only if it is still that call.
            by: Who decides.
            always: Also later calls of this tool in this run.

        Raises:
            DecisionConflictError: The call was decided otherwise, does not wait, or is another one.
            UserError: The item is one of another run.
        """
        return await self._decide("approve", approval, by=by, always=always)

    async def reject(
        self,
        approval: ApprovalView | ToolApprovalItem | str,
        *,
        by: str | None = None,
        reason: str | None = None,
        always: bool = False,
    ) -> Receipt:
        """Rejects a call; the model is told the reason. See `approve`."""
        return await self._decide("reject", approval, by=by, always=always, reason=reason)

    async def resolve(
        self, call_id: str, outcome: EffectOutcome, *, result: str | None = None, by: str | None = None
    ) -> Receipt:
        """Says what became of a call of which nobody knows whether it took effect (`status().unknown`).

        Args:
            call_id: The call.
            outcome: `"happened"`; `"not_happened"`, which the model is told; or `"retry"`: the call runs anew.
            result: What came of it, if it happened; what the ledger has of it by default.
            by: Who says it.

        Raises:
            DecisionConflictError: The call's outcome is not asked for (any more).
        """
        message = ResolutionMessage(call_id=call_id, outcome=outcome, result=result, by=by)
        return await self._host.call(self._execution.resolve(message))

    async def delete(self) -> DeletedRun:
        """Deletes the run, which must have ended: all that Temporal keeps of it, and its blobs that no other run needs.

        Raises:
            UserError: It has not ended; nothing was deleted.
        """
        connection, blobs = await self._host.call(self._host.connection()), await self._host.call(self._host.blobs())
        return await self._host.call(delete_run(connection, blobs, self.id, lambda text: None))

    async def fork(
        self, at: int, *, run_id: str | None = None, context: Any | None = None, repeat_effects: bool = False
    ) -> Run:
        """Starts another run that goes on from the end of a turn of this one, which stays as it is.

        Args:
            at: The turn, from 1; 0 for the beginning, where there is nothing but the input.
            run_id: The new run's id; by default this one's with the next free number after it.
            context: The new run's context; by default one with the state that this run's has now.
            repeat_effects: Whether effects of later turns that no key names may happen again.

        Raises:
            UserError: The turn did not happen or its calls are not all answered, this process cannot serve the run, or
                later turns had effects that are not to be repeated.
        """
        caller, found = await fork(
            self._host, self._caller, self._execution, at,
            run_id=run_id, context=context, repeat_effects=repeat_effects,
        )  # fmt: skip
        return await Run.known(self._host, caller, found)

    async def _decide(
        self,
        verb: Literal["approve", "reject"],
        approval: ApprovalView | ToolApprovalItem | str,
        *,
        by: str | None,
        always: bool,
        reason: str | None = None,
    ) -> Receipt:
        if isinstance(approval, ToolApprovalItem):
            approval.check_run(self.id)
        fields: dict[str, Any] = {"call_id": _call_id(approval)}
        if not isinstance(approval, str):
            fields["digest"] = approval.digest
        fields |= {name: value for name, value in (("by", by), ("reason", reason)) if value is not None}
        if always:
            fields["always"] = True
        return await self._host.call(self._execution.decide(verb, fields))


def _call_id(approval: ApprovalView | ToolApprovalItem | str) -> str:
    if isinstance(approval, str):
        return approval
    return approval.id if isinstance(approval, ToolApprovalItem) else approval.call_id


async def _next(watching: AsyncGenerator[_T]) -> _T | None:
    return await anext(watching, None)
