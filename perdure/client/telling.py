"""One run's workflow, as it is told: decisions, outcomes, input. An update first, which is answered."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Literal, TypeAlias, TypeVar

from pydantic import ValidationError
from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from perdure.blobs import store_items, unblocked
from perdure.client.execution import Execution
from perdure.client.patience import UNANSWERED, insisted
from perdure.contracts.holding import HoldMessage, HoldReceipt
from perdure.contracts.messages import (
    DecisionMessage,
    Receipt,
    ResolutionMessage,
    SendMessage,
    SendReceipt,
    UpdateMessage,
)
from perdure.contracts.run import problems_of
from perdure.contracts.stopping import StopMessage, StopReceipt
from perdure.errors import DecisionConflictError, RunUnattended, UserError
from perdure.limits import KIB, MAX_MESSAGE_BYTES
from perdure.state_input import DraftInput

_log = logging.getLogger("perdure")
_T = TypeVar("_T")
When: TypeAlias = Literal["now", "after_tool", "next_turn"]
_Message: TypeAlias = DecisionMessage | ResolutionMessage

_NO_WORKER = "No worker answered"
_SENT_BYTES = MAX_MESSAGE_BYTES - 16 * KIB  # the rest is for the names in the message


class Telling(Execution):
    """A run's workflow, and what is said to it. Its methods are called on the host's background loop."""

    async def decide(self, verb: Literal["approve", "reject"], fields: dict[str, Any]) -> Receipt:
        """Sends a decision.

        Raises:
            DecisionConflictError: The call was decided otherwise, does not wait, or is another one.
        """
        return await self._say("decide", UpdateMessage(decision=verb, **fields), verb, DecisionMessage(**fields))

    async def resolve(self, message: ResolutionMessage) -> Receipt:
        """Sends what somebody has found out about a call whose outcome nobody knew.

        Raises:
            DecisionConflictError: The call's outcome is not asked for (any more), or it is another call.
        """
        return await self._say("resolve", message, "resolve", message)

    async def _say(self, name: str, update: _Message, verb: str, message: _Message) -> Receipt:
        """Sends an update; a signal with the same message where no worker answers."""
        try:
            return await self._answer(name, update, Receipt, DecisionConflictError)
        except UNANSWERED as error:
            await self._signal(verb, message, DecisionConflictError)
            text = "the message is recorded and holds if the call still waits when a worker reads it."
            return Receipt(call_id=message.call_id, verdict="sent", explanation=f"{_unanswered(error)}; {text}")

    async def hold(self, verb: Literal["pause", "interrupt", "resume"], message: HoldMessage) -> HoldReceipt:
        """Pauses or interrupts the run, or lets it go on; by signal where no worker answers, so that it is not lost.

        Raises:
            UserError: The run has ended, or has its final output.
        """
        try:
            return await self._answer(verb, message, HoldReceipt, UserError)
        except UNANSWERED as error:
            await self._signal(verb, message, UserError)
            text = f"{_unanswered(error)}; it is recorded, and holds once a worker reads it."
            return HoldReceipt(verdict="sent", explanation=text)

    async def send(self, draft: DraftInput, by: str | None, when: When) -> SendReceipt:
        """Sends input; repeated with the same id it is taken once.

        Raises:
            UserError: The run has ended, or does not take it.
            RunUnattended: Nobody serves it, and this process cannot answer for it.
        """
        blobs = await self.host.blobs()
        stored = await unblocked(blobs, store_items, draft.items, blobs, _SENT_BYTES)
        message = _message(draft, stored, by, when)
        unanswered = (
            f"Run {self.caller.run_id!r} did not take message {draft.message_id!r} in time. Its task queue is "
            f"{self.queue!r}; send it again with this message_id, then it is said once."
        )
        return await self._insisted("send", message, SendReceipt, unanswered)

    async def stop(self, message: StopMessage) -> StopReceipt:
        """Asks the run to stop once its open turn has ended, or takes that back.

        Raises:
            UserError: The run has ended.
            RunUnattended: Nobody serves it, and this process cannot answer for it.
        """
        unanswered = f"Run {self.caller.run_id!r} did not answer in time; ask it again."
        return await self._insisted("stop", message, StopReceipt, unanswered)

    async def _insisted(self, name: str, message: Any, kind: type[_T], unanswered: str) -> _T:
        """What the run answers to an update that no signal stands in for.

        Raises:
            UserError: The run refuses it, or has ended.
            RunUnattended: Nobody answers, as `unanswered` says.
        """
        try:
            return await self._answer(name, message, kind, UserError)
        except UNANSWERED as error:
            raise RunUnattended(unanswered) from error

    async def _answer(self, name: str, message: Any, kind: type[_T], refused: type[UserError]) -> _T:
        """What the run answers to an update, be it that this process has to answer for it.

        A refused decision is sent once more: if it came in one workflow task with the result that made the call wait,
        the run has judged it before that result, because Temporal hands updates over first.

        Raises:
            UserError: The run refuses it, or has ended; of the class that is asked for.
            WorkflowUpdateRPCTimeoutOrCancelledError: Nobody answers.
            RPCError: The server takes no update.
        """
        update_id = uuid.uuid4().hex  # twice asked, it is one update

        async def update(within: timedelta) -> _T:
            with self._refusing(refused):
                return await self.update(name, message, kind, within=within, update_id=update_id)

        await self.make_sure_it_answers()
        try:
            return await insisted(self.host, self.queue, update)
        except DecisionConflictError:
            _log.debug("run %s refused %r; asked once more", self.caller.run_id, name)
        return await insisted(self.host, self.queue, update)

    async def _signal(self, name: str, message: Any, refused: type[UserError]) -> None:
        with self._refusing(refused):
            await self.tell(lambda handle: handle.signal(name, message))

    @contextmanager
    def _refusing(self, refused: type[UserError]) -> Generator[None]:
        """Says in an error of this class that the run refuses what it is told, or has ended."""
        try:
            yield
        except WorkflowUpdateFailedError as error:
            raise refused(f"Run {self.caller.run_id!r}: {getattr(error.cause, 'message', error.cause)}") from None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise refused(f"Run {self.caller.run_id!r} has ended; nothing can be said to it any more.") from None
            raise


def _unanswered(error: Exception) -> str:
    return f"The server takes no update ({error.message:.80})" if isinstance(error, RPCError) else _NO_WORKER


def _message(draft: DraftInput, items: list[dict[str, Any]], by: str | None, when: When) -> SendMessage:
    given: dict[str, Any] = {"input": items, "by": by, "withdraw": draft.withdraw}
    given |= {} if when == "next_turn" else {"when": when}
    fields = {name: value for name, value in given.items() if value}
    try:
        return SendMessage(message_id=draft.message_id, **fields)
    except ValidationError as error:
        raise UserError(f"This cannot be sent to a run: {problems_of(error)}") from None
