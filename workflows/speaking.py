"""What is said to a run under way: input; that it is to pause, to wait for instructions, to go on, or to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from perdure.contracts.holding import HoldMessage, HoldReceipt
from perdure.contracts.messages import SendReceipt, read_message
from perdure.contracts.stopping import StopMessage, StopReceipt
from perdure.loop.holds import Hold
from perdure.loop.pausing import interrupt, judge_interrupt, judge_pause, judge_resume, pause, resume
from perdure.loop.sending import Taken, judge_sent, take
from perdure.loop.state import LoopState
from perdure.loop.stopping import stop

from .mailbox import Mailbox
from .opening import NOTHING
from .reading import check_ruling, hold_of, only, sent_input_of

_SEND = (
    'Say something to the run, once for each id: {"message_id": "m1", "input": "text, or items", "by": "you"}. '
    'Optional: "when": "now" (stops the model), "after_tool" (waits for no decision) or "next_turn".'
)
_PAUSE = 'Let what is under way end and begin nothing until it is resumed: {"by": "you"}. Optional: "reason".'
_INTERRUPT = 'Stop the model; the run then waits for `send` or `resume`: {"by": "you"}. Optional: "reason".'
_RESUME = 'Let a run go on that was paused or interrupted: {"by": "you"}.'
_STOP = 'Let the open turn end and begin no other: {"by": "you"}. Optional: "withdraw": true.'

_Judge: TypeAlias = Callable[[LoopState], Taken]
_Do: TypeAlias = Callable[[LoopState, Hold], Taken]
_HOLDS: dict[str, tuple[_Judge, _Do]] = {
    "pause": (judge_pause, pause),
    "interrupt": (judge_interrupt, interrupt),
    "resume": (judge_resume, lambda state, _: resume(state)),
}


class Speaking(Mailbox):
    """The updates of `AgentRun` about the run itself."""

    @workflow.update(name="send", description=_SEND)
    def send(self, message: Any = NOTHING, *rest: Any) -> SendReceipt:
        """Takes input for the next model request; what is refused has raised in the validator."""
        self.messages += 1
        sent = sent_input_of(message, rest)
        taken = take(self.state, sent)
        self.moved()
        return SendReceipt(message_id=sent.message_id, verdict=taken.verdict, explanation=taken.explanation)

    @send.validator
    def check_sent(self, message: Any = NOTHING, *rest: Any) -> None:
        """Refuses what no model could be told; the same message again is welcome."""
        try:
            check_ruling(judge_sent(self.state, sent_input_of(message, rest)))
        except ValueError as error:
            raise ApplicationError(str(error), type="MalformedMessage", non_retryable=True) from None

    @workflow.signal(name="pause", description=_PAUSE)
    def pause(self, message: Any = NOTHING, *rest: Any) -> None:
        """Lets nothing begin until the run is resumed."""
        self._signalled_hold("pause", message, rest)

    @workflow.update(name="pause", description=_PAUSE)
    def tell_pause(self, message: Any = NOTHING, *rest: Any) -> HoldReceipt:
        """Lets nothing begin until the run is resumed."""
        return self._hold("pause", read_message(HoldMessage, only(message, rest)))

    @tell_pause.validator
    def check_pause(self, message: Any = NOTHING, *rest: Any) -> None:
        """Refuses what says nothing, or comes too late."""
        self._check_hold("pause", message, rest)

    @workflow.signal(name="interrupt", description=_INTERRUPT)
    def interrupt(self, message: Any = NOTHING, *rest: Any) -> None:
        """Stops the models that are asked, and waits for instructions."""
        self._signalled_hold("interrupt", message, rest)

    @workflow.update(name="interrupt", description=_INTERRUPT)
    def tell_interrupt(self, message: Any = NOTHING, *rest: Any) -> HoldReceipt:
        """Stops the models that are asked, and waits for instructions."""
        return self._hold("interrupt", read_message(HoldMessage, only(message, rest)))

    @tell_interrupt.validator
    def check_interrupt(self, message: Any = NOTHING, *rest: Any) -> None:
        """Refuses what says nothing, or comes too late."""
        self._check_hold("interrupt", message, rest)

    @workflow.signal(name="resume", description=_RESUME)
    def resume(self, message: Any = NOTHING, *rest: Any) -> None:
        """Lets the run go on."""
        self._signalled_hold("resume", message, rest)

    @workflow.update(name="resume", description=_RESUME)
    def tell_resume(self, message: Any = NOTHING, *rest: Any) -> HoldReceipt:
        """Lets the run go on."""
        return self._hold("resume", read_message(HoldMessage, only(message, rest)))

    @tell_resume.validator
    def check_resume(self, message: Any = NOTHING, *rest: Any) -> None:
        """Refuses what says nothing, or comes too late."""
        self._check_hold("resume", message, rest)

    @workflow.update(name="stop", description=_STOP)
    def stop(self, message: Any = NOTHING, *rest: Any) -> StopReceipt:
        """Has the run stop once its open turn has ended."""
        self.messages += 1
        stop(self.state, withdraw=read_message(StopMessage, only(message, rest)).withdraw)
        self.moved()
        return StopReceipt(stopping=self.state.root.stopping, stopped=self.state.root.stage == "done")

    @stop.validator
    def check_stop(self, message: Any = NOTHING, *rest: Any) -> None:
        """Refuses what says nothing."""
        try:
            read_message(StopMessage, only(message, rest))
        except ValueError as error:
            raise ApplicationError(str(error), type="MalformedMessage", non_retryable=True) from None

    def _hold(self, verb: str, message: HoldMessage) -> HoldReceipt:
        self.messages += 1
        taken = _HOLDS[verb][1](self.state, hold_of(message))
        self.moved()
        return HoldReceipt(verdict=taken.verdict, explanation=taken.explanation)

    def _check_hold(self, verb: str, value: Any, rest: Sequence[Any]) -> None:
        try:
            read_message(HoldMessage, only(value, rest))
        except ValueError as error:
            raise ApplicationError(str(error), type="MalformedMessage", non_retryable=True) from None
        check_ruling(_HOLDS[verb][0](self.state))

    def _signalled_hold(self, verb: str, value: Any, rest: Sequence[Any]) -> None:
        try:
            message = read_message(HoldMessage, only(value, rest))
        except ValueError as error:
            self.messages += 1
            self.ignore(f"{verb}: {error}")
            return
        receipt = self._hold(verb, message)
        if receipt.verdict != "accepted":
            self.ignore(f"{verb} by {message.by!r:.80}: {receipt.verdict}. {receipt.explanation}")
