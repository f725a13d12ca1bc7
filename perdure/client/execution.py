"""One run's workflow, as it is asked, told and waited for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowHistoryEventFilterType,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError, RPCStatusCode

from perdure.blobs import unblocked
from perdure.client.host import Host
from perdure.client.outcomes import Caller
from perdure.client.patience import patiently
from perdure.client.progress import Progress
from perdure.client.queues import is_process_queue
from perdure.client.reading import Said, Transcript, answer_of, naming, whole_inputs, with_items
from perdure.client.saving import Reached
from perdure.client.starting import Found, find
from perdure.client.watching import waits
from perdure.contracts.messages import (
    AHEAD_TEXT,
    CONTINUED_TEXT,
    StatusView,
)
from perdure.contracts.run import PageRequest, RunOutcome, TranscriptPage
from perdure.errors import RunUnattended

_log = logging.getLogger("perdure")
_T = TypeVar("_T")

_CLOSING = "workflow is closing"  # the server's words to an update while the run goes on in a new history
_CLOSING_SECONDS = 10.0  # it goes on in one at most once a second
_CLOSING_PAUSE_SECONDS = 0.1
_FIRST_QUERY_TIMEOUT = timedelta(seconds=5)
_QUERY_TIMEOUT = timedelta(seconds=10)
_OWNER_CHECK_SECONDS = 3.0  # how often a waiting process looks whether the run's owner still lives


class Execution:
    """A run's workflow. Its methods are called on the host's background loop."""

    def __init__(self, host: Host, caller: Caller, found: Found) -> None:
        self.host = host
        self.caller = caller
        self.workflow_run_id = found.workflow_run_id
        self.queue = found.queue
        self._transcript: Transcript | None = None
        self._began_as = ""

    def _on(self, client: Client) -> WorkflowHandle[Any, RunOutcome]:
        return client.get_workflow_handle(self.caller.run_id, run_id=self.workflow_run_id, result_type=RunOutcome)

    async def handle(self) -> WorkflowHandle[Any, RunOutcome]:
        """The workflow's handle."""
        return self._on((await self.host.connection()).client)

    async def outcome(self) -> RunOutcome:
        """The workflow's result; meanwhile the run's queue is served if its owner dies."""
        waiting = asyncio.create_task(self._awaited())
        try:
            while not (await asyncio.wait([waiting], timeout=_OWNER_CHECK_SECONDS))[0]:
                if self.caller.lent is not None and is_process_queue(self.queue):
                    await self.host.take_over(self.queue)
            return await waiting
        finally:
            waiting.cancel()

    async def _awaited(self) -> RunOutcome:
        return await patiently(self.host, lambda client: self._on(client).result())

    async def pause(self, each: Callable[[], None] | None = None) -> StatusView | None:
        """The status once nothing but decisions can move the run on; `None` if it ends before that.

        Args:
            each: Called whenever something has happened in the run.
        """
        async for waiting in waits(self.host, self.caller.run_id, self.workflow_run_id):
            if each is not None:
                each()
            if waiting:
                status = await self.query("status", StatusView)
                if status.phase == "waiting for approval":
                    with naming(self.caller.run_id):
                        blobs = await self.host.blobs()
                        return await unblocked(blobs, with_items, status, blobs)
                if status.phase == "waiting for an outcome":
                    _log.warning("run %s: %s See `perdure why`.", self.caller.run_id, status.why)
        return None

    async def ended(self, outcome: RunOutcome) -> Reached:
        """How far a run that has ended had come."""
        with naming(self.caller.run_id):
            record = await self._record()
            await record.read(tail=outcome.tail)
            reached = await self._reached(Progress.of_outcome(outcome), record)
            blobs = await self.host.blobs()
            return replace(reached, answer=await unblocked(blobs, answer_of, outcome, blobs))

    async def reached(self, status: StatusView) -> Reached:
        """How far the run has come by its status."""
        with naming(self.caller.run_id):
            record = await self._record()
            await record.read(status.items)
            return await self._reached(Progress.of_status(status), record)

    def apart(self) -> Execution:
        """The same workflow, for who reads beside others: what each has read is its own."""
        return Execution(self.host, self.caller, Found(self.workflow_run_id, self.queue, started=False))

    @property
    def known(self) -> Said:
        """The items that were read so far, without asking."""
        return Said([], []) if self._transcript is None else self._transcript.said

    async def said(self) -> Said:
        """All items so far."""
        with naming(self.caller.run_id):
            record = await self._record()
            await record.read()
            return record.said

    async def _reached(self, progress: Progress, record: Transcript) -> Reached:
        shown: Said | None = None
        blobs = await self.host.blobs()
        if progress.inputs:
            progress = replace(progress, inputs=await unblocked(blobs, whole_inputs, progress.inputs, blobs))
        if progress.shown_epoch != record.epoch:
            transcript = Transcript(self._page, blobs, progress.shown_epoch)
            await transcript.read()
            shown = transcript.said
        return Reached(progress, record.said, shown)

    async def _record(self) -> Transcript:
        if self._transcript is None:
            self._transcript = Transcript(self._page, await self.host.blobs())
        return self._transcript

    async def _page(self, wanted: PageRequest) -> TranscriptPage:
        return await self.query("transcript", TranscriptPage, wanted)

    async def query(self, name: str, kind: Any, *arguments: Any) -> Any:
        """What the run answers.

        Raises:
            RunUnattended: Nobody serves it, and this process cannot answer for it.
            RunNotFound: It was deleted.
        """
        await self.make_sure_it_answers()
        ask = partial(self._ask, name, kind, arguments)
        try:
            return await ask(_FIRST_QUERY_TIMEOUT)
        except (WorkflowQueryFailedError, RPCError):  # nobody answered in time, or with a state out of date; this can
            await self.host.answer_for(self.queue)
        try:
            return await ask(_QUERY_TIMEOUT)
        except (WorkflowQueryFailedError, RPCError) as error:
            if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
                await find((await self.host.connection()).client, self.caller.run_id)
            raise RunUnattended(
                f"Run {self.caller.run_id!r} did not answer {name!r}: {error}. Its task queue is {self.queue!r}; "
                "look at the log of the worker there, and at the run in the Temporal UI."
            ) from error

    async def _ask(self, name: str, kind: Any, arguments: tuple[Any, ...], within: timedelta) -> Any:
        early, deadline = False, asyncio.get_running_loop().time() + within.total_seconds()
        while True:
            handle = await self.handle()
            try:
                return await handle.query(name, args=arguments, result_type=kind, rpc_timeout=within)
            except WorkflowQueryFailedError as error:
                if AHEAD_TEXT in str(error) and not early:
                    early = True  # asked again, the server holds the query until the run has taken its results up
                elif CONTINUED_TEXT not in str(error):
                    raise
                elif not await self._follow():  # it has not gone on yet: the server refuses that while messages come in
                    if asyncio.get_running_loop().time() > deadline:
                        raise
                    await asyncio.sleep(_CLOSING_PAUSE_SECONDS)

    async def _follow(self) -> bool:
        """Follows the run into the execution that it has gone on in; tells whether there is one."""
        event = await self.closing_event()
        newer = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id if event else ""
        if newer:
            self.workflow_run_id = newer
        return bool(newer)

    async def closing_event(self) -> HistoryEvent | None:
        """The event that ended this execution; of one that goes on, its newest."""
        handle = await self.handle()
        closed = WorkflowHistoryEventFilterType.CLOSE_EVENT
        return await anext(aiter(handle.fetch_history_events(event_filter_type=closed)), None)

    async def describe(self) -> WorkflowExecutionDescription:
        """What the server knows of the newest execution."""
        while True:
            description = await (await self.handle()).describe()
            going_on = description.status == WorkflowExecutionStatus.CONTINUED_AS_NEW
            if not going_on or not await self._follow():
                return description

    async def status_within(self, seconds: timedelta) -> StatusView:
        """The status as the worker at hand tells it; nobody is made to answer."""
        return await self._ask("status", StatusView, (), seconds)

    async def cancel(self) -> None:
        """Asks the run to stop, in whichever history it is; one that has ended is left as it is.

        A history that has gone on would take it for done, and do nothing.
        """
        first = await self._first_history()
        try:
            await self._anywhere(
                lambda client: client.get_workflow_handle(self.caller.run_id, first_execution_run_id=first).cancel()
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # else a later run has its id, so this one has ended
                raise

    async def update(self, name: str, message: Any, kind: type[_T], *, within: timedelta, update_id: str = "") -> _T:
        """What the run answers to an update, wherever it has gone on.

        It is sent to the run, not to one of its histories (decision 18): one that was closing when the update came
        refuses it for ever, and Temporal's client asks that history again and again. The next one takes it.
        """
        first = await self._first_history()
        return await self._anywhere(
            lambda client: client.get_workflow_handle(self.caller.run_id, first_execution_run_id=first).execute_update(  # pyright: ignore[reportUnknownMemberType]  its overloads
                name, message, id=update_id or None, result_type=kind, rpc_timeout=within
            )
        )

    async def tell(self, tell: Callable[[WorkflowHandle[Any, RunOutcome]], Awaitable[_T]]) -> _T:
        """Says something to the run, wherever it has gone on."""
        return await self._anywhere(lambda client: tell(self._on(client)))

    async def _anywhere(self, say: Callable[[Client], Awaitable[_T]]) -> _T:
        deadline = asyncio.get_running_loop().time() + _CLOSING_SECONDS
        while True:
            try:
                return await say((await self.host.connection()).client)
            except RPCError as error:
                if _CLOSING in error.message and asyncio.get_running_loop().time() < deadline:
                    await asyncio.sleep(_CLOSING_PAUSE_SECONDS)
                elif error.status is not RPCStatusCode.NOT_FOUND or not await self._follow():
                    raise

    async def _first_history(self) -> str:
        """The id of the execution that the run began in."""
        if not self._began_as:
            description = await (await self.handle()).describe()
            self._began_as = description.raw_description.workflow_execution_info.first_run_id
        return self._began_as

    async def make_sure_it_answers(self) -> None:
        """Lets this process answer for a run whose own is gone; any worker can, as that takes no user code."""
        if not self.host.serves(self.queue) and await self.host.owner_is_dead(self.queue):
            await self.host.answer_for(self.queue)
