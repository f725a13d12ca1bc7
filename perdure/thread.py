"""A thread: a conversation that lives as one long-lived workflow, without a database."""

from __future__ import annotations

import uuid
from typing import Any

from pydantic import ValidationError

from perdure.client.conversing import ThreadTelling
from perdure.client.host import Host
from perdure.client.launching import find_run
from perdure.client.messaging import closed
from perdure.client.outcomes import Caller
from perdure.client.starting import Found, given_items
from perdure.client.wanted import check_thread_id
from perdure.connection import run_url
from perdure.contracts.run import problems_of
from perdure.contracts.threads import (
    THREAD_PREFIX,
    CloseMessage,
    CloseReceipt,
    MessageReceipt,
    OutcomeRequest,
    ThreadMessage,
)
from perdure.errors import RunNotFound, UserError
from perdure.items import TResponseInputItem
from perdure.run import Run


class Thread(Run):
    """A conversation, whatever is under way in it. What a `Run` has, it has too: approvals, events, status, cancel.

    `Runner.thread(name)` finds it; `Runner.run(..., thread=name)` begins it and says something to it.
    """

    def __init__(self, host: Host, caller: Caller, found: Found, url: str | None, telling: ThreadTelling) -> None:
        super().__init__(host, caller, found, url, telling)
        self._thread = telling

    @classmethod
    async def find(cls, name: str) -> Thread:
        """The thread of this name.

        Raises:
            RunNotFound: No thread of this namespace has it.
        """
        check_thread_id(name)
        host = Host.current()
        try:
            caller, found = await host.call(find_run(host, THREAD_PREFIX + name))
        except RunNotFound:
            raise RunNotFound(
                f"No thread {name!r} is known: nothing was said in it yet, or it was closed longer ago than the "
                f"namespace keeps runs. Runner.run(..., thread={name!r}) begins it; `perdure threads` lists them."
            ) from None
        connection = await host.call(host.connection())
        url = run_url(connection, caller.run_id, found.workflow_run_id)
        return cls(host, caller, found, url, ThreadTelling(host, caller, found))

    @property
    def name(self) -> str:
        """The thread's name: its id without what all threads' ids begin with."""
        return self.id.removeprefix(THREAD_PREFIX)

    async def history(self) -> list[TResponseInputItem]:
        """What was said so far, as input items: what the next message's run is given before that message."""
        return [entry.item for entry in await self.transcript()]

    async def send(  # pyright: ignore[reportIncompatibleMethodOverride]  a thread's receipt has a number
        self, input: str | list[TResponseInputItem], *, message_id: str | None = None, by: str | None = None
    ) -> MessageReceipt:
        """Sends the next message, and does not wait for what comes of it: `result_of` does.

        Agents, settings and context are as the message before it left them; `Runner.run` gives others.

        Args:
            input: A message of the user, or items.
            message_id: Names it: what is sent again under the same name is said once. By default a new name.
            by: Who says it.

        Raises:
            ThreadClosed: The thread was closed, or has ended otherwise.
            UserError: It does not take the message, as one that is too large.
            RunUnattended: Nobody serves it; send it again with the same `message_id`.
        """
        items = given_items(input, await self._host.call(self._host.blobs()))
        fields: dict[str, Any] = {} if by is None else {"by": by}
        named = message_id if message_id is not None else uuid.uuid4().hex
        try:
            message = ThreadMessage(message_id=named, input=items, **fields)
        except ValidationError as error:
            raise UserError(f"This cannot be sent to a thread: {problems_of(error)}") from None
        try:
            return await self._host.call(self._thread.message(message))
        except UserError:
            if await self._is_closed():
                raise closed(self.id) from None
            raise

    async def message(self, sequence: int) -> Run:
        """One message of the thread, as the run that it is: its `result`, events and approvals.

        Args:
            sequence: Its number, as its receipt has it.

        Raises:
            UserError: It is no number that a message could have.
        """
        try:
            OutcomeRequest(sequence=sequence)
        except ValidationError as error:
            raise UserError(f"This is the number of no message: {problems_of(error)}") from None
        found = Found(self._thread.workflow_run_id, self._thread.queue, started=False)
        return await Run.known(self._host, self._caller, found, sequence)

    async def close(self, *, by: str | None = None) -> CloseReceipt:
        """Lets the thread end once the messages that it has taken are done; a closed one stays closed.

        Args:
            by: Who says it.
        """
        try:
            message = CloseMessage() if by is None else CloseMessage(by=by)
        except ValidationError as error:
            raise UserError(f"This cannot be said to a thread: {problems_of(error)}") from None
        try:
            return await self._host.call(self._thread.close(message))
        except UserError:
            if await self._is_closed():
                return CloseReceipt(ahead=0)
            raise

    async def _is_closed(self) -> bool:
        _, found = await self._host.call(find_run(self._host, self.id))
        if found.closed:
            return True
        status = await self.status()
        return status.thread is not None and status.thread.closing
