"""Tells an agent tool's `on_stream` what its agent says and does, in order: from the steps that ask the agent's model.

Before its model is asked again, what its tools have said since; then the answer's events as they come, then its items.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from typing import Any

from perdure.agent import Agent
from perdure.agent_tool import AgentTool, AgentToolStreamEvent
from perdure.contracts.run import PageEntry
from perdure.contracts.steps import CallModelInput, StepInput, TranscriptName
from perdure.definition import AgentDefinition
from perdure.errors import UserError, describe_exception
from perdure.items import RunItem, run_item
from perdure.openai_types import typed_output_item, typed_stream_event
from perdure.snapshot import Member
from perdure.stream_events import AgentUpdatedStreamEvent, RawResponsesStreamEvent, StreamEvent, item_event

from .attempts import Progress
from .surroundings import Surroundings
from .transcripts import Transcripts, item_of

_log = logging.getLogger("perdure")

_TOLD = "on_stream"  # noted once what came before the answer was told
_OUTPUTS = ("output", "value", "handed_off")


class NestedStream:
    """Hands events to one `on_stream`, one after the other, on the loop that it belongs to.

    Args:
        around: What the step finds around it.
        transcripts: Asks runs for their transcripts.
        tool: The tool; it has an `on_stream`.
        step: The step.
        answers: The call that the agent answers.
    """

    def __init__(
        self, around: Surroundings, transcripts: Transcripts, tool: AgentTool, step: StepInput, answers: dict[str, Any]
    ) -> None:
        self._around = around
        self._transcripts = transcripts
        self._tool = tool
        self._step = step
        self._tool_call = typed_output_item(answers)
        self._agent: Agent[Any] = around.member(step).agent
        self._attempt = 1
        self._waiting: deque[AgentToolStreamEvent] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._came = asyncio.Event()
        self._is_busy = self._is_over = False

    async def begin(self, call: CallModelInput, progress: Progress, attempt: int) -> None:
        """Tells what came before this request, once: that the agent begins, or what its tools said."""
        self._attempt = attempt
        if progress.noted(_TOLD) is not None:
            return
        if call.turn == 1 and not call.cuts:
            self._put(AgentUpdatedStreamEvent(self._agent), self._agent)
        else:
            name = TranscriptName(path=call.path, epoch=call.cursor.epoch, count=call.cursor.count)
            await self.catch_up(name, ("interrupted",) if call.cuts else _OUTPUTS)
        progress.note(_TOLD, True)

    async def catch_up(self, name: TranscriptName, kinds: tuple[str, ...] = _OUTPUTS) -> None:
        """Tells the last items of a transcript, as far as they are of these kinds."""
        transcript = await self._transcripts.read(name)
        members = self._around.served.members(self._around.run_id, self._step.root)
        for entry in _last(transcript.entries, kinds):
            item = item_of(entry, members)
            self._put(item_event(item), item.agent)
            if entry.kind == "handed_off" and entry.target in members:
                target: Member = members[entry.target]
                self._put(AgentUpdatedStreamEvent(target.agent), target.agent)

    def publish(self, event: Any) -> None:
        """Takes an event of the answer, on any thread.

        Raises:
            UserError: `on_stream` is slow, and more events wait for it than may.
        """
        if event is None:
            return
        limit = self._tool.on_stream_max_pending_events
        if limit is not None and self._is_busy and len(self._waiting) >= limit:
            raise UserError(
                f"{len(self._waiting)} events wait for on_stream of agent {self._agent.name!r}, as many as "
                "on_stream_max_pending_events allows. Let it take less time, or raise the limit; None is no limit."
            )
        raw = RawResponsesStreamEvent(typed_stream_event(event), turn=self._step.turn, attempt=self._attempt)
        self._put(raw, self._agent)

    def answered(self, definition: AgentDefinition, items: Iterable[dict[str, Any]]) -> None:
        """Tells the items of the whole answer."""
        for item in items:
            is_handoff = item.get("name") in definition.handoffs_by_name
            told: RunItem = run_item(self._agent, item, is_handoff=is_handoff)
            self._put(item_event(told), self._agent)

    def _put(self, event: StreamEvent | None, agent: Agent[Any]) -> None:
        if event is None:
            return
        self._waiting.append({"event": event, "agent": agent, "tool_call": self._tool_call})
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
                self._loop.call_soon_threadsafe(self._came.set)

    @contextlib.asynccontextmanager
    async def told(self) -> AsyncGenerator[None]:
        """Tells events meanwhile, and ends once all are told."""
        telling = asyncio.create_task(self._around.on_user_loop(self._tell))
        try:
            yield
            self._is_over = True
            self._wake()
            await asyncio.wait([telling])
        finally:
            telling.cancel()
            [error] = await asyncio.gather(telling, return_exceptions=True)
            if isinstance(error, Exception):
                _log.warning("run %s: on_stream was not told all: %s", self._around.run_id, error)

    async def _tell(self) -> None:
        self._loop = asyncio.get_running_loop()
        while True:
            while self._waiting:
                await self._handle(self._waiting.popleft())
            if self._is_over:
                return
            await self._came.wait()
            self._came.clear()

    async def _handle(self, event: AgentToolStreamEvent) -> None:
        self._is_busy = True
        try:
            said = None if self._tool.on_stream is None else self._tool.on_stream(event)
            if inspect.isawaitable(said):
                await said
        except Exception as error:  # noqa: BLE001  who listens must not end what is listened to
            told = describe_exception(error)
            _log.warning("run %s: on_stream raised %s: %s", self._around.run_id, told["type"], told["message"])
        finally:
            self._is_busy = False


def _last(entries: list[PageEntry], kinds: tuple[str, ...]) -> list[PageEntry]:
    """The entries of these kinds that nothing but such follows."""
    first = len(entries)
    while first and entries[first - 1].kind in kinds:
        first -= 1
    return entries[first:]
