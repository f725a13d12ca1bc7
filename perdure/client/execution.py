"""One run's workflow, as it is asked, told and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Literal, TypeVar

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowHistoryEventFilterType,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError, RPCStatusCode

from perdure.client.host import Host
from perdure.client.outcomes import Caller
from perdure.client.patience import patiently
from perdure.client.progress import Progress
from perdure.client.queues import is_process_queue
from perdure.client.reading import Said, Transcript, answer_of, with_items
from perdure.client.saving import Reached
from perdure.client.starting import Found
from perdure.client.watching import waits
from perdure.contracts.messages import CONTINUED_TEXT, DecisionMessage, Receipt, StatusView, UpdateMessage
from perdure.contracts.run import PageRequest, RunOutcome, TranscriptPage
from perdure.errors import DecisionConflictError, RunUnattended

_T = TypeVar("_T")

_CLOSING = "workflow is closing"  # the server's words to an update while the run goes on in a new history
_CLOSING_SECONDS = 10.0  # it goes on in one at most once a second
_CLOSING_PAUSE_SECONDS = 0.1
_UPDATE_TIMEOUT = timedelta(seconds=5)  # an update wants a worker at once; a signal is recorded without one
_FIRST_QUERY_TIMEOUT = timedelta(seconds=5)
_QUERY_TIMEOUT = timedelta(seconds=10)
_OWNER_CHECK_SECONDS = 3.0  # how often a waiting process looks whether the run's owner still lives


class Execution:
    """A run's workflow. Its methods are called on the host's background loop."""

    def __init__(self, host: Host, caller: Caller, found: Found) -> None:
        self._host = host
        self._caller = caller
        self.workflow_run_id = found.workflow_run_id
        self.queue = found.queue
        self._transcript: Transcript | None = None

    def _on(self, client: Client) -> WorkflowHandle[Any, RunOutcome]:
        return client.get_workflow_handle(self._caller.run_id, run_id=self.workflow_run_id, result_type=RunOutcome)

    async def handle(self) -> WorkflowHandle[Any, RunOutcome]:
        """The workflow's handle."""
        return self._on((await self._host.connection()).client)

    async def outcome(self) -> RunOutcome:
        """The workflow's result; meanwhile the run's queue is served if its owner dies."""
        waiting = asyncio.create_task(patiently(self._host, lambda client: self._on(client).result()))
        try:
            while not (await asyncio.wait([waiting], timeout=_OWNER_CHECK_SECONDS))[0]:
                if self._caller.lent is not None and is_process_queue(self.queue):
                    await self._host.take_over(self.queue)
            return await waiting
        finally:
            waiting.cancel()

    async def pause(self) -> StatusView | None:
        """The status once nothing but decisions can move the run on; `None` if it ends before that."""
        async for waiting in waits(self._host, self._caller.run_id, self.workflow_run_id):
            if waiting:
                status = await self.query("status", StatusView)
                if status.phase == "waiting for approval":
                    return with_items(status, await self._host.blobs())
        return None

    async def ended(self, outcome: RunOutcome) -> Reached:
        """How far a run that has ended had come."""
        record = await self._record()
        await record.read(tail=outcome.tail)
        reached = await self._reached(Progress.of_outcome(outcome), record)
        return replace(reached, answer=answer_of(outcome, await self._host.blobs()))

    async def reached(self, status: StatusView) -> Reached:
        """How far the run has come by its status."""
        record = await self._record()
        await record.read(status.items)
        return await self._reached(Progress.of_status(status), record)

    async def said(self) -> Said:
        """All items so far."""
        record = await self._record()
        await record.read()
        return record.said

    async def _reached(self, progress: Progress, record: Transcript) -> Reached:
        shown: Said | None = None
        if progress.shown_epoch != record.epoch:
            transcript = Transcript(self._page, await self._host.blobs(), progress.shown_epoch)
            await transcript.read()
            shown = transcript.said
        return Reached(progress, record.said, shown)

    async def _record(self) -> Transcript:
        if self._transcript is None:
            self._transcript = Transcript(self._page, await self._host.blobs())
        return self._transcript

    async def _page(self, wanted: PageRequest) -> TranscriptPage:
        return await self.query("transcript", TranscriptPage, wanted)

    async def query(self, name: str, kind: Any, *arguments: Any) -> Any:
        """What the run answers.

        Raises:
            RunUnattended: Nobody serves it, and this process cannot answer for it.
        """
        await self._make_sure_it_answers()
        ask = partial(self._ask, name, kind, arguments)
        try:
            return await ask(_FIRST_QUERY_TIMEOUT)
        except (WorkflowQueryFailedError, RPCError):  # nobody answered in time, or with a state out of date; this can
            await self._host.answer_for(self.queue)
        try:
            return await ask(_QUERY_TIMEOUT)
        except (WorkflowQueryFailedError, RPCError) as error:
            raise RunUnattended(
                f"Run {self._caller.run_id!r} did not answer {name!r}: {error}. Its task queue is {self.queue!r}; "
                "look at the log of the worker there, and at the run in the Temporal UI."
            ) from error

    async def _ask(self, name: str, kind: Any, arguments: tuple[Any, ...], within: timedelta) -> Any:
        while True:
            handle = await self.handle()
            try:
                return await handle.query(name, args=arguments, result_type=kind, rpc_timeout=within)
            except WorkflowQueryFailedError as error:
                if CONTINUED_TEXT not in str(error) or not await self._follow():
                    raise

    async def _follow(self) -> bool:
        """Follows the run into the execution that it has gone on in; tells whether there is one."""
        handle = await self.handle()
        closed = WorkflowHistoryEventFilterType.CLOSE_EVENT
        async for event in handle.fetch_history_events(event_filter_type=closed):
            newer = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
            if newer:
                self.workflow_run_id = newer
                return True
        return False

    async def cancel(self) -> None:
        """Asks the run to stop."""
        await self._tell(lambda handle: handle.cancel())

    async def _tell(self, tell: Callable[[WorkflowHandle[Any, RunOutcome]], Awaitable[_T]]) -> _T:
        """Says something to the run, wherever it has gone on."""
        deadline = asyncio.get_running_loop().time() + _CLOSING_SECONDS
        while True:
            try:
                return await tell(await self.handle())
            except RPCError as error:
                if _CLOSING in error.message and asyncio.get_running_loop().time() < deadline:
                    await asyncio.sleep(_CLOSING_PAUSE_SECONDS)
                elif error.status is not RPCStatusCode.NOT_FOUND or not await self._follow():
                    raise

    async def _make_sure_it_answers(self) -> None:
        """Lets this process answer for a run whose own is gone; any worker can, as that takes no user code."""
        if not self._host.serves(self.queue) and await self._host.owner_is_dead(self.queue):
            await self._host.answer_for(self.queue)

    async def decide(self, verb: Literal["approve", "reject"], fields: dict[str, Any]) -> Receipt:
        """Sends a decision.

        Raises:
            DecisionConflictError: The call was decided otherwise, does not wait, or is another one.
        """
        await self._make_sure_it_answers()
        update = UpdateMessage(decision=verb, **fields)
        try:
            return await self._update(update)
        except WorkflowUpdateRPCTimeoutOrCancelledError:  # nobody answered in time; this process can
            await self._host.answer_for(self.queue)
        try:
            return await self._update(update)
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            message = DecisionMessage(**fields)
            await self._tell(lambda handle: handle.signal(verb, message))
            text = "No worker answered; the decision is recorded and holds if the call still waits when one comes."
            return Receipt(call_id=fields["call_id"], verdict="sent", explanation=text)

    async def _update(self, update: UpdateMessage) -> Receipt:
        run_id = self._caller.run_id
        try:
            return await self._tell(
                lambda handle: handle.execute_update(  # pyright: ignore[reportUnknownMemberType]  its overloads
                    "decide", update, result_type=Receipt, rpc_timeout=_UPDATE_TIMEOUT
                )
            )
        except WorkflowUpdateFailedError as error:
            raise DecisionConflictError(f"Run {run_id!r}: {getattr(error.cause, 'message', error.cause)}") from None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise DecisionConflictError(f"Run {run_id!r} has ended; nothing waits in it any more.") from None
            raise
