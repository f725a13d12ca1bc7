"""One run's workflow, as it is asked, told and waited for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Literal, cast

from temporalio.client import (
    Client,
    WorkflowHandle,
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
from perdure.contracts.messages import DecisionMessage, Receipt, StatusView, UpdateMessage
from perdure.contracts.run import PageRequest, RunOutcome, TranscriptPage
from perdure.errors import DecisionConflictError, RunUnattended

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
        ask = partial((await self.handle()).query, name, args=arguments, result_type=kind)
        try:
            return await ask(rpc_timeout=_FIRST_QUERY_TIMEOUT)
        except (WorkflowQueryFailedError, RPCError):  # nobody answered in time, or with a state out of date; this can
            await self._host.answer_for(self.queue)
        try:
            return await ask(rpc_timeout=_QUERY_TIMEOUT)
        except (WorkflowQueryFailedError, RPCError) as error:
            raise RunUnattended(
                f"Run {self._caller.run_id!r} did not answer {name!r}: {error}. Its task queue is {self.queue!r}; "
                "look at the log of the worker there, and at the run in the Temporal UI."
            ) from error

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
            await (await self.handle()).signal(verb, DecisionMessage(**fields))
            text = "No worker answered; the decision is recorded and holds if the call still waits when one comes."
            return Receipt(call_id=fields["call_id"], verdict="sent", explanation=text)

    async def _update(self, update: UpdateMessage) -> Receipt:
        run_id = self._caller.run_id
        try:
            return cast(
                "Receipt",
                await (await self.handle()).execute_update(  # pyright: ignore[reportUnknownMemberType]  its overloads
                    "decide", update, result_type=Receipt, rpc_timeout=_UPDATE_TIMEOUT
                ),
            )
        except WorkflowUpdateFailedError as error:
            raise DecisionConflictError(f"Run {run_id!r}: {getattr(error.cause, 'message', error.cause)}") from None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise DecisionConflictError(f"Run {run_id!r} has ended; nothing waits in it any more.") from None
            raise
