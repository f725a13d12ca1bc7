"""Streams a run to a caller of `Runner.run_streamed`: what its models say, and what its transcript has."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from perdure.client.chronicle import Chronicle, Placed
from perdure.client.deltas import Deltas
from perdure.client.ending import result_or_pause
from perdure.client.execution import Execution
from perdure.client.items import raw_responses
from perdure.client.merging import Merging
from perdure.client.reading import Said
from perdure.client.saving import read_document
from perdure.contracts.threads import MessageOutcome
from perdure.items import RunItem, ToolCallOutputItem
from perdure.result import RunResult
from perdure.result_streaming import Notice
from perdure.stream_events import AgentUpdatedStreamEvent, RawResponsesStreamEvent


class Streaming:
    """Follows one run, from its beginning or from where a state of it was made; used on the host's background loop.

    Args:
        run: The run's workflow.
        deltas: What its models say.
        state: The state's document.
        hand: Takes what happens; at once, how it begins.
        is_new: Whether nothing can have happened yet.
        begun: Of a thread: how the message began, before which all was told.
    """

    def __init__(
        self,
        run: Execution,
        deltas: Deltas,
        state: dict[str, Any] | None,
        hand: Callable[[Notice], None],
        *,
        is_new: bool,
        begun: MessageOutcome | None = None,
    ) -> None:
        self._run = run
        self._hand = hand
        self._said = Said([], [])
        self._answers = 0  # how many were told
        cast, agent = run.caller.cast, run.caller.agent.name
        agent = begun.agent if begun is not None and begun.agent else agent
        self._chronicle = Chronicle(cast, agent)
        if state is not None:
            saved = read_document(state)
            agent, self._answers = saved.agent, len(saved.responses)
            self._chronicle.take(Said(saved.entries, saved.responses))
            calls: list[dict[str, Any]] = saved.frozen["root"]["calls"] if saved.frozen is not None else []
            self._chronicle.leave_out([call["output"] for call in calls if call.get("output")])
        self._chronicle.begin()
        seen = begun.begun + 1 if begun is not None else 1 if is_new else 0
        self._merging = Merging(run.apart(), self._chronicle, deltas, self, seen)
        if begun is not None:
            self._merging.skip(begun.begun)
        hand(Notice(turn=0, event=AgentUpdatedStreamEvent(cast.agent(agent))))

    async def through(self) -> RunResult:
        """Hands on what happens until the run ends or waits.

        Raises:
            AgentsException: What the run ended in.
        """
        open_items = list[RunItem]()
        waiting = asyncio.ensure_future(result_or_pause(self._run, self._merging.notice))
        try:
            await self._merging.during(asyncio.wait([waiting]))
            result = waiting.result()
            open_items = result.new_items
            return result
        finally:
            waiting.cancel()
            if self._run.known.entries:
                self._merging.take(self._run.known)
            outputs = [item for item in open_items if isinstance(item, ToolCallOutputItem)]
            for placed in self._chronicle.take_outputs(outputs):
                self._merging.tell(placed)
            self._merging.flush(self._chronicle.turn + 1)

    def read(self, said: Said) -> None:
        """See `perdure.client.merging.Reader`."""
        self._said = said

    def tell(self, placed: Placed) -> None:
        """Hands on an event of the transcript, and before it the answers that have been accepted by then."""
        answers = self._said.responses[self._answers :]
        while answers and answers[0].turn <= placed.place[0]:
            answer = answers.pop(0)
            self._answers += 1
            self._hand(Notice(answer.turn, response=raw_responses(Said(self._said.entries, [answer]))[0]))
        self._hand(Notice(placed.place[0], placed.event))

    def say(self, turn: int, event: RawResponsesStreamEvent | None) -> None:
        """Hands on an event of a model."""
        self._hand(Notice(turn, event))


def on_loop(loop: asyncio.AbstractEventLoop, take: Callable[[Notice], None]) -> Callable[[Notice], None]:
    """Hands notices to a caller on another loop, for as long as that runs."""

    def hand(notice: Notice) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
            loop.call_soon_threadsafe(take, notice)

    return hand
