"""A thread's workflow, and one message of it, as they are asked and waited for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Literal

from temporalio.client import (
    WorkflowFailureError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from perdure.blobs import unblocked
from perdure.client.host import Host
from perdure.client.outcomes import Caller
from perdure.client.patience import patiently
from perdure.client.progress import Progress
from perdure.client.reading import Said, Transcript, answer_of, naming, with_items
from perdure.client.saving import Reached
from perdure.client.starting import Found
from perdure.client.telling import Telling
from perdure.client.watching import waits
from perdure.contracts.messages import StatusView
from perdure.contracts.run import PageRequest, RunOutcome, TranscriptPage
from perdure.contracts.threads import (
    CloseMessage,
    CloseReceipt,
    MessageOutcome,
    MessageReceipt,
    OutcomeRequest,
    ThreadMessage,
)
from perdure.errors import RunCancelled, UserError
from perdure.limits import OUTCOME_SECONDS

_log = logging.getLogger("perdure")

_ANSWER_SECONDS = OUTCOME_SECONDS + 5.0
_LOOK_SECONDS = (0.2, 0.5, 1.0, 2.0)  # between two looks at a message that waits for a person; the last one stays
_AGAIN_SECONDS = 0.2
_ENDED_MEANWHILE = "AcceptedUpdateCompletedWorkflow"  # the server's word to an update that is open when a run ends


class ThreadTelling(Telling):
    """A thread's workflow. Its methods are called on the host's background loop."""

    def __init__(self, host: Host, caller: Caller, found: Found) -> None:
        super().__init__(host, caller, found)
        self._kept: Transcript | None = None

    def apart(self) -> ThreadTelling:
        """The same thread, for who reads beside others."""
        return ThreadTelling(self.host, self.caller, Found(self.workflow_run_id, self.queue, started=False))

    async def said(self) -> Said:
        """All that the thread keeps of its conversation, and what is said now."""
        with naming(self.caller.run_id):
            history = await self._history()
            await history.read()
            return history.all_said

    async def _history(self) -> Transcript:
        """What the thread keeps, as far as it was read."""
        if self._kept is None:
            self._kept = Transcript(self._history_page, await self.host.blobs())
        return self._kept

    async def _history_page(self, wanted: PageRequest) -> TranscriptPage:
        return await self.query("transcript", TranscriptPage, wanted.model_copy(update={"history": True}))

    async def message(self, message: ThreadMessage) -> MessageReceipt:
        """Sends a message that leaves all else as the thread has it.

        Raises:
            UserError: The thread does not take it.
            RunUnattended: Nobody serves it, and this process cannot answer for it.
        """
        unanswered = (
            f"Thread {self.caller.run_id!r} did not take message {message.message_id!r} in time. Its task queue is "
            f"{self.queue!r}; send it again with this message_id, then it is said once."
        )
        return await self._insisted("message", message, MessageReceipt, unanswered)

    async def close(self, message: CloseMessage) -> CloseReceipt:
        """Lets the thread end once no message waits.

        Raises:
            UserError: It has ended.
        """
        unanswered = f"Thread {self.caller.run_id!r} did not answer in time; ask it again."
        return await self._insisted("close", message, CloseReceipt, unanswered)

    async def outcome_now(self, sequence: int) -> MessageOutcome:
        """How far a message is, or how it ended; this leaves nothing in the history."""
        return await self.query("outcome", MessageOutcome, OutcomeRequest(sequence=sequence))


class MessageTelling(ThreadTelling):
    """One message of a thread, which is a run to who waits for it.

    Args:
        host: This process.
        caller: What the caller knows of it.
        found: The thread.
        sequence: The message's number.
    """

    def __init__(self, host: Host, caller: Caller, found: Found, sequence: int) -> None:
        super().__init__(host, caller, found)
        self.sequence = sequence
        self._ended: MessageOutcome | None = None
        self._paused = asyncio.Event()
        self._at_its_end = Said([], [])

    def apart(self) -> MessageTelling:
        """The same message, for who reads beside others."""
        found = Found(self.workflow_run_id, self.queue, started=False)
        return MessageTelling(self.host, self.caller, found, self.sequence)

    async def _awaited(self) -> RunOutcome:
        told = await self._until_ended()
        self._ended = told
        if told.outcome is None:
            raise RuntimeError(f"message {self.sequence} of {self.caller.run_id} ended without an outcome")
        if (failed := told.failure) is None:
            return told.outcome
        details = told.outcome.model_dump(mode="json", exclude_unset=True)
        cause = ApplicationError(failed.message, details, failed.details, type=failed.type, non_retryable=True)
        raise WorkflowFailureError(cause=cause)

    async def _until_ended(self) -> MessageOutcome:
        looks = 0
        while True:
            told = await self._news() if not looks else await self.outcome_now(self.sequence)
            if told.phase == "ended":
                return told
            if told.phase != "waiting":
                looks = 0
                await asyncio.sleep(_AGAIN_SECONDS)  # a thread that goes on in a new history has said so at once
                continue
            self._paused.set()
            await asyncio.sleep(_LOOK_SECONDS[min(looks, len(_LOOK_SECONDS) - 1)])
            looks += 1

    async def begun(self) -> MessageOutcome:
        """How far the message is once none is before it."""
        while True:
            told = await self._news("queued")
            if told.phase != "queued":
                return told
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _news(self, since: Literal["queued"] | None = None) -> MessageOutcome:
        """How far the message is: at once if that is news, else after a while; asked again where nobody answers."""
        request = OutcomeRequest(sequence=self.sequence)
        request = request if since is None else request.model_copy(update={"since": since})
        while True:
            await self.make_sure_it_answers()
            try:
                return await patiently(self.host, lambda _: self._ask_news(request))
            except WorkflowUpdateRPCTimeoutOrCancelledError:
                await self.host.answer_for(self.queue)
            except WorkflowUpdateFailedError as error:
                if isinstance(error.cause, ApplicationError) and error.cause.type == _ENDED_MEANWHILE:
                    return await self._at_the_end()
                raise UserError(f"Thread {self.caller.run_id!r}: {getattr(error.cause, 'message', error)}") from None
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return await self._at_the_end()
                if error.status is not RPCStatusCode.RESOURCE_EXHAUSTED:
                    raise
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _ask_news(self, request: OutcomeRequest) -> MessageOutcome:
        return await self.update("outcome", request, MessageOutcome, within=timedelta(seconds=_ANSWER_SECONDS))

    async def _at_the_end(self) -> MessageOutcome:
        """How the message ended, of a thread that has ended."""
        told = await self.outcome_now(self.sequence)
        if told.phase != "ended":
            raise RunCancelled(f"Thread {self.caller.run_id!r} was ended before its message {self.sequence} was done.")
        return told

    async def pause(self, each: Callable[[], None] | None = None) -> StatusView | None:
        """The status once nothing but decisions can move the message's run on; waits for ever if it ends before."""
        following = asyncio.create_task(self._call(each))
        try:
            while True:
                await self._paused.wait()
                self._paused.clear()
                status: StatusView = await self.query("status", StatusView)
                mine = status.thread is not None and status.thread.sequence == self.sequence
                if mine and status.phase == "waiting for approval":
                    with naming(self.caller.run_id):
                        blobs = await self.host.blobs()
                        return await unblocked(blobs, with_items, status, blobs)
                if mine and status.phase == "waiting for an outcome":
                    _log.warning("thread %s: %s See `perdure why`.", self.caller.run_id, status.why)
        finally:
            following.cancel()

    async def _call(self, each: Callable[[], None] | None) -> None:
        if each is not None:
            async for _ in waits(self.host, self.caller.run_id, self.workflow_run_id):
                each()

    async def ended(self, outcome: RunOutcome) -> Reached:
        """What was said of a message that has ended."""
        if self._ended is None:
            raise RuntimeError(f"message {self.sequence} of {self.caller.run_id} has not ended")
        with naming(self.caller.run_id):
            said = self._at_its_end = await self._said_of(self._ended, outcome)
            blobs = await self.host.blobs()
            answer = await unblocked(blobs, answer_of, outcome, blobs)
            return Reached(Progress.of_outcome(outcome), said, answer=answer)

    @property
    def known(self) -> Said:
        """What was said of the message, as far as it was read."""
        return self._at_its_end if self._ended is not None else super().known

    async def said(self) -> Said:
        """What was said of the message so far; nothing while others are before it."""
        told = await self.outcome_now(self.sequence)
        if told.phase == "queued":
            return Said([], [])
        if told.phase != "ended":
            said = await super(ThreadTelling, self).said()
            told = await self.outcome_now(self.sequence)
            if told.phase != "ended":
                return said
        with naming(self.caller.run_id):
            return await self._said_of(told, told.outcome)

    async def _said_of(self, told: MessageOutcome, outcome: RunOutcome | None) -> Said:
        history = await self._history()
        await history.read(told.end, tail=outcome.tail if outcome is not None else None)
        return await unblocked(await self.host.blobs(), history.said_of, told)
