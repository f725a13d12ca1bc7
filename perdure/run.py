"""A run: what can be asked of it and said to it, from any process that reaches its namespace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Literal

from temporalio.client import WorkflowFailureError

from perdure.agent import Agent
from perdure.client.execution import Execution
from perdure.client.failing import exception_of, failed_outcome
from perdure.client.forking import fork
from perdure.client.host import Host
from perdure.client.outcomes import Caller, pause_of, result_of
from perdure.client.starting import Found
from perdure.client.watching import waits
from perdure.connection import run_url
from perdure.contracts.messages import ApprovalView, Receipt, StatusView
from perdure.contracts.run import PageEntry
from perdure.items import ToolApprovalItem
from perdure.result import RunResult


class Run:
    """A run under way or ended.

    Attributes:
        url: Its page in the Temporal UI, if the UI's address is known.
        was_closed: Whether it had ended when it was found.
    """

    def __init__(self, host: Host, caller: Caller, found: Found, url: str | None) -> None:
        self._host = host
        self._caller = caller
        self._execution = Execution(host, caller, found)
        self.url = url
        self.was_closed = found.closed

    @classmethod
    async def known(cls, host: Host, caller: Caller, found: Found) -> Run:
        """The run that was found."""
        connection = await host.call(host.connection())
        return cls(host, caller, found, run_url(connection, caller.run_id, found.workflow_run_id))

    @property
    def id(self) -> str:
        """The run's id."""
        return self._caller.run_id

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
        return await self._host.call(self._result())

    async def result_or_interruptions(self) -> RunResult:
        """Waits until the run ends or nothing but decisions can move it on."""
        return await self._host.call(self._result_or_pause())

    async def status(self) -> StatusView:
        """What the run does and what it waits for."""
        return await self._host.call(self._execution.query("status", StatusView))

    async def approvals(self) -> list[ApprovalView]:
        """The calls that wait for a decision now."""
        return await self._host.call(self._execution.query("approvals", list[ApprovalView]))

    async def transcript(self) -> list[PageEntry]:
        """All items so far, with who said them."""
        return (await self._host.call(self._execution.said())).entries

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

    async def cancel(self) -> None:
        """Asks the run to stop; tools under way are told, and `result` raises `RunCancelled`."""
        await self._host.call(self._execution.cancel())

    async def fork(self, at: int, *, run_id: str | None = None, context: Any | None = None) -> Run:
        """Starts another run that goes on from the end of a turn of this one, which stays as it is.

        Args:
            at: The turn, from 1; 0 for the beginning, where there is nothing but the input.
            run_id: The new run's id; by default this one's with the next free number after it.
            context: The new run's context; by default one with the state that this run's has now.

        Raises:
            UserError: The turn did not happen or its calls are not all answered, or this process cannot serve the run.
        """
        caller, found = await fork(self._host, self._caller, self._execution, at, run_id=run_id, context=context)
        return await Run.known(self._host, caller, found)

    async def _result(self) -> RunResult:
        try:
            outcome = await self._execution.outcome()
        except WorkflowFailureError as error:
            failed = error
        else:
            self._give_back()
            return result_of(self._caller, await self._execution.ended(outcome), outcome)
        self._give_back()
        outcome = failed_outcome(failed)
        reached = await self._execution.ended(outcome) if outcome is not None else None
        # Raised out here, so that the exception keeps the cause it was raised with.
        raise exception_of(failed, self._caller, reached, outcome)

    def _give_back(self) -> None:
        if self._caller.lent is not None and self._host.served.lent(self.id) is self._caller.lent:
            self._host.served.take_back(self.id)

    async def _result_or_pause(self) -> RunResult:
        result = asyncio.create_task(self._result())
        pause = asyncio.create_task(self._execution.pause())
        try:
            await asyncio.wait([result, pause], return_when=asyncio.FIRST_COMPLETED)
            status = pause.result() if pause.done() and not result.done() else None
            if status is None:
                return await result
            frozen = await self._execution.query("state", dict[str, Any])
            return pause_of(self._caller, await self._execution.reached(status), status, frozen)
        finally:
            result.cancel()
            pause.cancel()

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


async def _next(watching: AsyncGenerator[bool]) -> bool | None:
    return await anext(watching, None)
