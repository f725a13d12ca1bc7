"""What can be said to a run under way that is not about one of its calls."""

from __future__ import annotations

import uuid
from typing import Literal, get_args, overload

from pydantic import ValidationError

from perdure.client.host import Host
from perdure.client.telling import Telling, When
from perdure.contracts.holding import HoldMessage, HoldReceipt
from perdure.contracts.messages import SendReceipt
from perdure.contracts.run import problems_of
from perdure.contracts.stopping import StopMessage, StopReceipt
from perdure.errors import UserError
from perdure.items import TResponseInputItem, input_items
from perdure.state_input import DraftInput


class SteeredRun:
    """A run that can be spoken to, interrupted, paused, stopped and cancelled."""

    def __init__(self, host: Host, execution: Telling) -> None:
        self._host = host
        self._execution = execution

    async def send(
        self,
        input: str | list[TResponseInputItem],
        *,
        when: When = "next_turn",
        message_id: str | None = None,
        by: str | None = None,
    ) -> SendReceipt:
        """Says something to the run; input guardrails judge it, and its model is told.

        A run that was interrupted is told at once, whatever `when` says; one that is paused, once it is resumed.

        Args:
            input: A message of the user, or items.
            when: `"next_turn"`: the open turn ends wholly, decisions included; the model is told with its next request.
                `"after_tool"`: the model's answer and the tools that run end, but no decision is waited for: calls that
                want one are not made. `"now"`: the model is stopped (what it has said stays), tools that run end, and
                what has not begun is not made.
            message_id: Names it: what is sent again under the same name is said once. By default a new name.
            by: Who says it.

        Raises:
            UserError: The run has ended or asks its model no more, it is too much, or `when` is none of these.
            RunUnattended: Nobody serves the run, so nobody can take it; send it again with the same `message_id`.
        """
        if when not in get_args(When):
            raise UserError(f'when={when!r:.100} is none of "now", "after_tool" and "next_turn".')
        named = message_id if message_id is not None else uuid.uuid4().hex
        draft = DraftInput(named, input_items(input))
        return await self._host.call(self._execution.send(draft, by, when))

    async def send_draft(self, draft: DraftInput, *, by: str | None = None) -> SendReceipt:
        """Sends what was added to a state, under its own name; see `send`."""
        return await self._host.call(self._execution.send(draft, by, "next_turn"))

    @overload
    async def interrupt(
        self, message: None = None, *, by: str | None = None, reason: str | None = None
    ) -> HoldReceipt: ...

    @overload
    async def interrupt(self, message: str | list[TResponseInputItem], *, by: str | None = None) -> SendReceipt: ...

    async def interrupt(
        self,
        message: str | list[TResponseInputItem] | None = None,
        *,
        by: str | None = None,
        reason: str | None = None,
    ) -> HoldReceipt | SendReceipt:
        """Stops the models that are asked; the run then waits until `send` says what to do, or `resume`.

        What was said in words of a streamed answer stays in the transcript, marked as interrupted. Tools that run end,
        and are recorded; nothing else begins.

        Args:
            message: What to do: then the run does not wait; the same as `send(message, when="now")`.
            by: Who says it.
            reason: Why; shown with the run.

        Raises:
            UserError: The run has ended, or has its final output.
        """
        if message is not None:
            return await self.send(message, when="now", by=by)
        return await self._hold("interrupt", by, reason)

    async def pause(self, *, by: str | None = None, reason: str | None = None) -> HoldReceipt:
        """Lets nothing begin until `resume`; what is under way ends, and decisions can be made meanwhile.

        Args:
            by: Who says it.
            reason: Why; shown with the run.

        Raises:
            UserError: The run has ended.
        """
        return await self._hold("pause", by, reason)

    async def resume(self, *, by: str | None = None) -> HoldReceipt:
        """Lets a run go on where it is that was paused or interrupted.

        Raises:
            UserError: The run has ended.
        """
        return await self._hold("resume", by, None)

    async def _hold(
        self, verb: Literal["pause", "interrupt", "resume"], by: str | None, reason: str | None
    ) -> HoldReceipt:
        given = {name: value for name, value in (("by", by), ("reason", reason)) if value is not None}
        try:
            message = HoldMessage(**given)
        except ValidationError as error:
            raise UserError(f"This cannot be said to a run: {problems_of(error)}") from None
        return await self._host.call(self._execution.hold(verb, message))

    async def stop(self, *, withdraw: bool = False) -> StopReceipt:
        """Lets the open turn end, with all its calls, and begins no other; the result then has no final output.

        Its `to_state()` goes on in a new run, where the model is asked next.

        Args:
            withdraw: Take that back.

        Raises:
            UserError: The run has ended.
        """
        try:
            message = StopMessage(withdraw=withdraw) if withdraw is not False else StopMessage()
        except ValidationError as error:
            raise UserError(f"This cannot be said to a run: {problems_of(error)}") from None
        return await self._host.call(self._execution.stop(message))

    async def cancel(self) -> None:
        """Asks the run to stop; tools under way are told, and `result` raises `RunCancelled`."""
        await self._host.call(self._execution.cancel())
