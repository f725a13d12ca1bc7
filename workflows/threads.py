"""What can be said to a thread: messages, questions how they ended, and that it is to end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError
from temporalio.workflow import HandlerUnfinishedPolicy

from perdure.contracts.run import RunSettings
from perdure.contracts.threads import (
    OTHER_AGENTS,
    CloseReceipt,
    MessageOutcome,
    MessageReceipt,
    OutcomeRequest,
    read_close,
    read_outcome_request,
    read_thread_message,
)
from perdure.limits import MAX_LISTENERS, OUTCOME_SECONDS
from perdure.loop.conversing import Message, Thread
from perdure.loop.listening import Taken, close_thread, judge_message, take_message

from .messages import Messages
from .opening import NOTHING, settle_by
from .reading import only
from .telling import outcome_of_message, phase_of_message

_MESSAGE = (
    'Send the thread its next message, once for each id: {"message_id": "m1", "input": "text, or items", "by": "you"}. '
    "The receipt has its number."
)
_OUTCOME = 'How a message ended; waits up to 20 seconds for it: {"sequence": 1}.'
_CLOSE = 'Let the thread end once no message waits: {"by": "you"}.'
_NO_THREAD = "This run is no thread: it ends by itself. Say something to it while it is under way by the update `send`."

_T = TypeVar("_T")


class Threads(Messages):
    """The updates of a thread, which every run has and only a thread takes."""

    def __init__(self, run: Any) -> None:
        super().__init__(run)
        self._adopted: int = 0  # the message whose settings hold
        self._leaving = False
        self._listeners: list[int] = []
        self._numbered = 0
        self.adopt()

    @workflow.update(name="message", description=_MESSAGE)
    def message(self, message: Any = NOTHING, *rest: Any) -> MessageReceipt:
        """Takes a message; what is refused has raised in the validator."""
        self.messages += 1
        thread = self._thread()
        given, agents = self._message(thread, message, rest)
        taken = take_message(thread, given, agents)
        self.moved()
        info = workflow.info()
        return MessageReceipt(
            thread=info.workflow_id,
            execution=info.run_id,
            sequence=taken.sequence,
            message_id=given.message_id,
            verdict=taken.verdict,
            explanation=taken.explanation,
        )

    @message.validator
    def check_message(self, message: Any = NOTHING, *rest: Any) -> None:
        """Refuses what the thread cannot take; the same message again is welcome."""
        thread = self._thread()
        given, agents = _reading(lambda: self._message(thread, message, rest))
        _check(judge_message(thread, given, agents))

    # A thread that is cancelled or terminated leaves those who wait to look how it ended.
    @workflow.update(name="outcome", description=_OUTCOME, unfinished_policy=HandlerUnfinishedPolicy.ABANDON)
    async def outcome(self, request: Any = NOTHING, *rest: Any) -> MessageOutcome:
        """How a message ended, or how far it is by now: at once if that is news, else after a while."""
        self.messages += 1
        thread = self._thread()
        asked = read_outcome_request(only(request, rest))
        if not self._has_news(thread, asked):
            await self._listen(lambda: self._has_news(thread, asked))
        return outcome_of_message(self.state, thread, asked.sequence)

    @outcome.validator
    def check_outcome_request(self, request: Any = NOTHING, *rest: Any) -> None:
        """Refuses to wait for what never was, or is not known any more."""
        thread = self._thread()
        asked = _reading(lambda: read_outcome_request(only(request, rest)))
        if asked.sequence > thread.taken:
            text = f"The thread has taken {thread.taken} messages; there is no number {asked.sequence}."
            raise ApplicationError(text, type="UnknownMessage", non_retryable=True)
        _reading(lambda: phase_of_message(self.state, thread, asked.sequence))

    @workflow.update(name="close", description=_CLOSE)
    def close(self, request: Any = NOTHING, *rest: Any) -> CloseReceipt:
        """Lets the thread end once no message waits."""
        self.messages += 1
        thread = self._thread()
        close_thread(thread)
        self.moved()
        return CloseReceipt(ahead=len(thread.queue) + (thread.current is not None))

    @close.validator
    def check_close(self, request: Any = NOTHING, *rest: Any) -> None:
        """Refuses what says nothing."""
        self._thread()
        _reading(lambda: read_close(only(request, rest)))

    @workflow.query(name="outcome", description='How far a message is, or how it ended: {"sequence": 1}')
    def outcome_now(self, request: Any = NOTHING, *rest: Any) -> MessageOutcome:
        """How a message ended, or how far it is by now."""
        self._told()
        thread = self._thread()
        return outcome_of_message(self.state, thread, read_outcome_request(only(request, rest)).sequence)

    def adopt(self) -> None:
        """Lets the settings hold that came with the message which has begun."""
        current = self.state.thread.current if self.state.thread is not None else None
        if current is not None and current.sequence != self._adopted:
            self._adopted = current.sequence
            self.settings = RunSettings.model_validate(current.settings)
            settle_by(self.state, self.settings)

    async def answer_all(self) -> None:
        """Answers everybody who waits for an outcome: a question that is open when a run goes on fails."""
        self._leaving = True
        if not workflow.all_handlers_finished():
            await workflow.wait_condition(workflow.all_handlers_finished)

    def stay(self) -> None:
        """Lets questions wait again."""
        self._leaving = False

    def moved(self) -> None:
        """A message may have begun, whose settings hold from now on."""
        super().moved()
        self.adopt()

    def _thread(self) -> Thread:
        if self.state.thread is None:
            raise ApplicationError(_NO_THREAD, type="NoThread", non_retryable=True)
        return self.state.thread

    def _message(self, thread: Thread, message: Any, rest: tuple[Any, ...]) -> tuple[Message, str]:
        """What was sent, with what names its agents; what it leaves out is as the thread has it.

        Raises:
            ValueError: It is no message.
        """
        read, items = read_thread_message(only(message, rest))
        agent = read.agent or (thread.queue[-1].agent if thread.queue else self.state.agent_name)
        by_name = read.by_name or (read.agents is None and self.state.snapshot is None)
        given = Message(
            sequence=0,
            message_id=read.message_id,
            items=items,
            agent=agent,
            snapshot=read.snapshot,
            by_name=by_name,
            max_turns=read.max_turns,
            context=read.context,
            settings=read.settings.model_dump(mode="json", exclude_unset=True),
        )
        return given, thread.agents if read.agents is None else read.agents

    def _has_news(self, thread: Thread, asked: OutcomeRequest) -> bool:
        phase = phase_of_message(self.state, thread, asked.sequence)
        known = ("queued", "under way") if asked.since is None else (asked.since,)
        return self._leaving or phase not in known

    async def _listen(self, is_due: Callable[[], bool]) -> None:
        """Waits for news, or until others have come in whose place it is: the server takes few at once."""
        self._numbered += 1
        number = self._numbered
        self._listeners = [*self._listeners, number][-MAX_LISTENERS:]
        with contextlib.suppress(asyncio.TimeoutError):
            await workflow.wait_condition(
                lambda: is_due() or number not in self._listeners,
                timeout=OUTCOME_SECONDS,
                timeout_summary="somebody waits for an outcome",
            )
        self._listeners = [each for each in self._listeners if each != number]


def _reading(read: Callable[[], _T]) -> _T:
    try:
        return read()
    except ValueError as error:
        raise ApplicationError(str(error), type="MalformedMessage", non_retryable=True) from None


def _check(taken: Taken) -> None:
    if taken.verdict in ("accepted", "repeated"):
        return
    kinds = {"other agents": OTHER_AGENTS, "too late": "ThreadClosed"}
    raise ApplicationError(taken.explanation, type=kinds.get(taken.verdict, "MessageRefused"), non_retryable=True)
