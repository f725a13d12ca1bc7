"""Runs as `Runner.run_streamed` starts and follows them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from perdure.agent import Agent
from perdure.client.deltas import Deltas
from perdure.client.host import Host
from perdure.client.streaming import on_loop
from perdure.client.wanted import Wanted
from perdure.context import RunContextWrapper
from perdure.result import RunResult
from perdure.result_streaming import Notice, RunResultStreaming
from perdure.run import Run
from perdure.state import RunState


@dataclass(frozen=True, slots=True)
class _Streamed:
    """A run whose events a caller is told; see `perdure.result_streaming.Streamed`."""

    run: Run
    deltas: Deltas
    state: RunState[Any] | None
    hand: Callable[[Notice], None]

    @property
    def id(self) -> str:
        return self.run.id

    async def follow(self) -> RunResult:
        try:
            return await self.run.stream(self.deltas, self.state, self.hand)
        finally:
            self.deltas.leave()

    async def cancel(self) -> None:
        self.deltas.leave()
        await self.run.cancel()

    async def stop(self, *, withdraw: bool = False) -> None:
        await self.run.stop(withdraw=withdraw)


def run_streamed(
    wanted: Wanted, state: RunState[Any] | None, launch: Callable[[Wanted], Awaitable[Run]]
) -> RunResultStreaming:
    """Starts a run, or goes on with one, and returns at once; called on the loop that the user's code runs on.

    Args:
        wanted: The run.
        state: Where it goes on, if it does.
        launch: Starts it, and says whether it could.

    Raises:
        UserError: An option is none, does not go with another, or is not supported; the message names it.
        TypeError: The hooks are not a run's.
    """
    wanted.check()
    loop = asyncio.get_running_loop()
    deltas = Deltas(Host.current())

    async def start(note: Callable[[Notice], None]) -> _Streamed:
        try:
            run = await launch(replace(wanted, watch=deltas.watch, reach=deltas.reach))
        except BaseException:
            deltas.leave()
            raise
        return _Streamed(run, deltas, state, on_loop(loop, note))

    agent = Agent[Any](name=wanted.agent) if isinstance(wanted.agent, str) else wanted.agent
    context = RunContextWrapper(wanted.context) if wanted.wrapper is None else wanted.wrapper
    return RunResultStreaming(agent, wanted.given, context, wanted.max_turns, start)
