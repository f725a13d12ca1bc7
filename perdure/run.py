"""A run: what can be asked of it and said to it, from any process that reaches its namespace."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from datetime import timedelta
from functools import partial
from typing import Any, Literal, cast

from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError, RPCStatusCode

from perdure.agent import Agent
from perdure.client.host import Host
from perdure.client.outcomes import Caller, exception_of, failed_outcome, pause_of, result_of
from perdure.client.patience import patiently
from perdure.client.queues import is_process_queue
from perdure.client.reading import Transcript
from perdure.client.watching import waits
from perdure.contracts.messages import ApprovalView, DecisionMessage, Receipt, StatusView, UpdateMessage
from perdure.contracts.run import PageEntry, PageRequest, RunOutcome, TranscriptPage
from perdure.errors import DecisionConflictError, RunUnattended
from perdure.items import ToolApprovalItem
from perdure.result import RunResult

_log = logging.getLogger("perdure")

_UPDATE_TIMEOUT = timedelta(seconds=5)  # an update wants a worker at once; a signal is recorded without one
_FIRST_QUERY_TIMEOUT = timedelta(seconds=5)
_QUERY_TIMEOUT = timedelta(seconds=10)
_OWNER_CHECK_SECONDS = 3.0  # how often a waiting process looks whether the run's owner still lives


class Run:
    """A run under way or ended.

    Attributes:
        id: The run's id, which is its workflow's.
        url: Its page in the Temporal UI, if the UI's address is known.
    """

    def __init__(self, host: Host, caller: Caller, workflow_run_id: str, queue: str, url: str | None) -> None:
        self._host = host
        self._workflow_run_id = workflow_run_id
        self._caller = caller
        self._queue = queue
        self._transcript: Transcript | None = None
        self.url = url

    @property
    def id(self) -> str:
        """The run's id."""
        return self._caller.run_id

    @property
    def task_queue(self) -> str:
        """The queue whose workers serve the run."""
        return self._queue

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
        return await self._host.call(self._query("status", StatusView))

    async def approvals(self) -> list[ApprovalView]:
        """The calls that wait for a decision now."""
        return await self._host.call(self._query("approvals", list[ApprovalView]))

    async def transcript(self) -> list[PageEntry]:
        """All items so far, with who said them."""
        return await self._host.call(self._entries())

    async def watch_approvals(self) -> AsyncGenerator[ApprovalView]:
        """Yields each call that comes to wait for a decision, until the run ends."""
        seen: set[str] = set()
        watching = waits(self._host, self.id, self._workflow_run_id)
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
        """
        return await self._host.call(self._decide("approve", approval, by=by, always=always))

    async def reject(
        self,
        approval: ApprovalView | ToolApprovalItem | str,
        *,
        by: str | None = None,
        reason: str | None = None,
        always: bool = False,
    ) -> Receipt:
        """Rejects a call; the model is told the reason. See `approve`."""
        return await self._host.call(self._decide("reject", approval, by=by, always=always, reason=reason))

    async def cancel(self) -> None:
        """Asks the run to stop; tools under way are told, and `result` raises `RunCancelled`."""
        await self._host.call(self._cancel())

    async def _cancel(self) -> None:
        await (await self._handle()).cancel()

    async def _result(self) -> RunResult:
        try:
            outcome = await self._outcome()
        except WorkflowFailureError as error:
            failed = error
        else:
            self._give_back()
            return result_of(self._caller, await self._read(outcome), outcome)
        self._give_back()
        reached = failed_outcome(failed)
        transcript = await self._read(reached) if reached is not None else None
        # Raised out here, so that the exception keeps the cause it was raised with.
        raise exception_of(failed, self._caller, transcript, reached)

    async def _outcome(self) -> RunOutcome:
        """The workflow's result; meanwhile the run's queue is served if its owner dies."""
        waiting = asyncio.create_task(patiently(self._host, lambda client: self._on(client).result()))
        try:
            while not (await asyncio.wait([waiting], timeout=_OWNER_CHECK_SECONDS))[0]:
                if self._caller.lent is not None and is_process_queue(self._queue):
                    await self._host.take_over(self._queue)
            return await waiting
        finally:
            waiting.cancel()

    def _on(self, client: Client) -> WorkflowHandle[Any, RunOutcome]:
        return client.get_workflow_handle(self.id, run_id=self._workflow_run_id, result_type=RunOutcome)

    async def _handle(self) -> WorkflowHandle[Any, RunOutcome]:
        return self._on((await self._host.connection()).client)

    def _give_back(self) -> None:
        if self._caller.lent is not None and self._host.served.lent(self.id) is self._caller.lent:
            self._host.served.take_back(self.id)

    async def _result_or_pause(self) -> RunResult:
        result = asyncio.create_task(self._result())
        pause = asyncio.create_task(self._pause())
        try:
            await asyncio.wait([result, pause], return_when=asyncio.FIRST_COMPLETED)
            status = pause.result() if pause.done() and not result.done() else None
            if status is None:
                return await result
            transcript = await self._known_transcript()
            await transcript.read(status.items)
            return pause_of(self._caller, transcript, status)
        finally:
            result.cancel()
            pause.cancel()

    async def _pause(self) -> StatusView | None:
        """The status once nothing but decisions can move the run on; None if it ends before that."""
        async for waiting in waits(self._host, self.id, self._workflow_run_id):
            if waiting:
                status = await self._query("status", StatusView)
                if status.phase == "waiting for approval":
                    return status
        return None

    async def _read(self, outcome: RunOutcome) -> Transcript:
        transcript = await self._known_transcript()
        await transcript.read(tail=outcome.tail)
        return transcript

    async def _known_transcript(self) -> Transcript:
        if self._transcript is None:
            self._transcript = Transcript(self._page, await self._host.blobs())
        return self._transcript

    async def _page(self, wanted: PageRequest) -> TranscriptPage:
        return await self._query("transcript", TranscriptPage, wanted)

    async def _entries(self) -> list[PageEntry]:
        transcript = await self._known_transcript()
        await transcript.read()
        return transcript.entries

    async def _query(self, name: str, kind: Any, *arguments: Any) -> Any:
        await self._make_sure_it_answers()
        ask = partial((await self._handle()).query, name, args=arguments, result_type=kind)
        try:
            return await ask(rpc_timeout=_FIRST_QUERY_TIMEOUT)
        except (WorkflowQueryFailedError, RPCError):  # nobody answered in time, or with a state out of date; this can
            await self._host.answer_for(self._queue)
        try:
            return await ask(rpc_timeout=_QUERY_TIMEOUT)
        except (WorkflowQueryFailedError, RPCError) as error:
            raise RunUnattended(
                f"Run {self.id!r} did not answer {name!r}: {error}. Its task queue is {self._queue!r}; look at the log "
                "of the worker there, and at the run in the Temporal UI."
            ) from error

    async def _make_sure_it_answers(self) -> None:
        """Lets this process answer for a run whose own is gone; any worker can, as that takes no user code."""
        if not self._host.serves(self._queue) and await self._host.owner_is_dead(self._queue):
            await self._host.answer_for(self._queue)

    async def _decide(
        self,
        verb: Literal["approve", "reject"],
        approval: ApprovalView | ToolApprovalItem | str,
        *,
        by: str | None,
        always: bool,
        reason: str | None = None,
    ) -> Receipt:
        fields: dict[str, Any] = {"call_id": _call_id(approval)}
        if not isinstance(approval, str):
            fields["digest"] = approval.digest
        fields |= {name: value for name, value in (("by", by), ("reason", reason)) if value is not None}
        if always:
            fields["always"] = True
        await self._make_sure_it_answers()
        update = UpdateMessage(decision=verb, **fields)
        try:
            return await self._update(update)
        except WorkflowUpdateRPCTimeoutOrCancelledError:  # nobody answered in time; this process can
            await self._host.answer_for(self._queue)
        try:
            return await self._update(update)
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            await (await self._handle()).signal(verb, DecisionMessage(**fields))
            text = "No worker answered; the decision is recorded and holds if the call still waits when one comes."
            return Receipt(call_id=fields["call_id"], verdict="sent", explanation=text)

    async def _update(self, update: UpdateMessage) -> Receipt:
        try:
            return cast(
                "Receipt",
                await (await self._handle()).execute_update(  # pyright: ignore[reportUnknownMemberType]  its overloads
                    "decide", update, result_type=Receipt, rpc_timeout=_UPDATE_TIMEOUT
                ),
            )
        except WorkflowUpdateFailedError as error:
            raise DecisionConflictError(f"Run {self.id!r}: {getattr(error.cause, 'message', error.cause)}") from None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise DecisionConflictError(f"Run {self.id!r} has ended; nothing waits in it any more.") from None
            raise


def _call_id(approval: ApprovalView | ToolApprovalItem | str) -> str:
    if isinstance(approval, str):
        return approval
    return approval.id if isinstance(approval, ToolApprovalItem) else approval.call_id


async def _next(watching: AsyncGenerator[bool]) -> bool | None:
    return await anext(watching, None)
