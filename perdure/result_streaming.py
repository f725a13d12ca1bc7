"""What `Runner.run_streamed` gives back at once: a result that grows while the run goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, TypeAlias, get_args

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.errors import MaxTurnsExceeded, PerdureError, UserError
from perdure.items import TResponseInputItem
from perdure.model import ModelResponse
from perdure.result import RunResult
from perdure.state import RunState
from perdure.stream_events import AgentUpdatedStreamEvent, RunItemStreamEvent, StreamEvent


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened in a run.

    Attributes:
        turn: In which turn; 0 before the first.
        event: What a watcher is told, if anything.
        response: The answer that was accepted, if it is that.
    """

    turn: int
    event: StreamEvent | None = None
    response: ModelResponse | None = None


class Streamed(Protocol):
    """The run behind a streamed result."""

    @property
    def id(self) -> str:
        """The run's id."""
        ...

    async def follow(self) -> RunResult:
        """Gives notice of what happens, until the run ends or waits."""
        ...

    async def cancel(self) -> None:
        """Asks the run to stop at once."""
        ...

    async def stop(self, *, withdraw: bool = False) -> None:
        """Asks the run to stop once its open turn has ended, or takes that back."""
        ...


CancelMode: TypeAlias = Literal["immediate", "after_turn"]
Start: TypeAlias = Callable[[Callable[[Notice], None]], Awaitable[Streamed]]


class RunResultStreaming(RunResult):
    """A run under way, as far as its caller has been told of it; the whole result once it is complete.

    The run goes on whether anybody reads its events or not, and so it does when who reads them is cancelled.

    Attributes:
        current_turn: The turn that is under way.
        is_complete: Whether the run has ended, waits for decisions, or was cancelled.
        run_loop_task: What follows the run.
    """

    def __init__(
        self,
        agent: Agent[Any],
        input: str | list[TResponseInputItem],
        context: RunContextWrapper[Any],
        max_turns: int | None,
        start: Start,
    ) -> None:
        super().__init__(input, [], [], agent, context, max_turns=max_turns)
        self.current_turn = 0
        self.is_complete = False
        self._events: asyncio.Queue[StreamEvent | None] = asyncio.Queue()
        self._run: Streamed | None = None
        self._result: RunResult | None = None
        self._error: BaseException | None = None
        self._cancelled: CancelMode | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self.run_loop_task: asyncio.Task[None] = asyncio.get_running_loop().create_task(self._drive(start))

    @property
    def current_agent(self) -> Agent[Any]:
        """The agent that is active."""
        return self.last_agent

    @property
    def run_loop_exception(self) -> BaseException | None:
        """What the run ended in, once it has, if it is an exception."""
        return self._error

    async def stream_events(self) -> AsyncGenerator[StreamEvent]:
        """What happens in the run, from its beginning, each event for one reader; ends when the run ends or waits.

        Raises:
            AgentsException: What the run ended in, after all its events; a user's own exception likewise.
        """
        while (event := await self._events.get()) is not None:
            yield event
        self._events.put_nowait(None)  # for whoever else reads, or reads again
        if self._error is not None:
            raise self._error

    def cancel(self, mode: CancelMode = "immediate") -> None:
        """Stops the run.

        Args:
            mode: `"immediate"`: what the run does is cancelled, and events that nobody has read are dropped.
                `"after_turn"`: the open turn ends with all its calls and events, and no other begins.

        Raises:
            ValueError: There is no such mode.
        """
        if mode not in get_args(CancelMode):
            raise ValueError(f'The mode is {mode!r}; it must be "immediate" or "after_turn".')
        if self.is_complete or self._cancelled in ("immediate", mode):
            return
        self._cancelled = mode
        if mode == "immediate":
            self._complete(drop=True)
        if self._run is not None:  # else once it has started
            self._begin(self._stop(self._run, mode))
            if mode == "immediate":
                self.run_loop_task.cancel()

    async def _stop(self, run: Streamed, mode: CancelMode) -> None:
        from temporalio.service import RPCError

        with contextlib.suppress(PerdureError, UserError, RPCError):  # it has ended by itself
            await (run.cancel() if mode == "immediate" else run.stop())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def to_state(self) -> RunState[Any]:
        """The run as a state; see `RunResult`.

        Raises:
            UserError: It is under way, was cancelled, or ended in an exception.
        """
        if self._result is None:
            raise UserError(
                f"Run {self.run_id!r} has no state to go on from: read its events to their end first. Of a run that "
                "failed or was cancelled, `Runner.get(run_id)` and `fork` go on from a turn."
            )
        return super().to_state()

    async def _drive(self, start: Start) -> None:
        try:
            run = self._run = await start(self._note)
            self.run_id = run.id
            if self._cancelled is not None:
                await self._stop(run, self._cancelled)
            if self._cancelled == "immediate":
                return
            result = await run.follow()
            if self._cancelled == "after_turn" and result.interruptions:  # this turn ends with their decisions
                await asyncio.gather(*self._ending)
                await run.stop(withdraw=True)
            self._result = result
            for field in fields(result):
                setattr(self, field.name, getattr(result, field.name))
        except Exception as error:  # noqa: BLE001  whatever it is, who reads the events is told
            self._error = error
            if isinstance(error, MaxTurnsExceeded):
                self.current_turn += 1
        finally:
            self._complete(drop=False)

    def _note(self, notice: Notice) -> None:
        if self.is_complete:
            return
        self.current_turn = max(self.current_turn, notice.turn)
        event = notice.event
        if notice.response is not None:
            self.raw_responses.append(notice.response)
        if isinstance(event, AgentUpdatedStreamEvent):
            self.last_agent = event.new_agent
        elif isinstance(event, RunItemStreamEvent):
            self.new_items.append(event.item)
        if event is not None:
            self._events.put_nowait(event)

    def _complete(self, *, drop: bool) -> None:
        if self.is_complete:
            return
        self.is_complete = True
        while drop and not self._events.empty():
            self._events.get_nowait()
        self._events.put_nowait(None)
