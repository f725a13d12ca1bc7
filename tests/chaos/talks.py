"""Threads in a storm: each message is sent three times under one name, and must be answered once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from temporalio.service import RPCError

from perdure import AgentsException, Run, RunConfig, Runner, RunUnattended
from perdure.errors import ServerUnavailable
from tests.chaos.plans import Plan, plans_of_thread, together

_T = TypeVar("_T")
SENDERS = 3  # of each message
_HISTORY_EVENTS = 120  # so that threads go on in new histories in the middle of the storm


@dataclass
class Talk:
    """A thread, and what those who sent its messages were told.

    Attributes:
        numbers: The number that each message has, by sender; `answers`: what came of it.
    """

    errands: list[Plan]
    name: str
    queue: str
    numbers: list[list[int]] = field(default_factory=list[list[int]])
    answers: list[list[str]] = field(default_factory=list[list[str]])

    @classmethod
    def of(cls, seed: int, number: int, queue: str) -> Talk:
        return cls(plans_of_thread(seed, number), f"{queue}-{number}", queue)

    @property
    def run_id(self) -> str:
        return f"thread/{self.name}"

    @property
    def plan(self) -> Plan:
        """All errands as one."""
        return together(self.errands)

    async def begin(self) -> list[Run]:
        """Sends the first message."""
        return await self._send(0)

    async def go_on(self, first: list[Run]) -> None:
        """Sends the other messages, which wait for their turn, and waits for all answers."""
        every = [first] + [await self._send(place) for place in range(1, len(self.errands))]
        self.numbers = [[run.sequence for run in runs] for runs in every]
        for runs in every:
            self.answers.append(list(await asyncio.gather(*map(_answer, runs))))

    async def close(self) -> None:
        """Lets the thread end."""
        thread = await _insist(lambda: Runner.thread(self.name))
        await _insist(thread.close)

    async def _send(self, place: int) -> list[Run]:
        named = {"thread": self.name, "message_id": f"m{place}", "task_queue": self.queue}
        config, text = RunConfig(history_events=_HISTORY_EVENTS), self.errands[place].text
        return await asyncio.gather(
            *(_insist(lambda: Runner.start("Clerk", text, run_config=config, **named)) for _ in range(SENDERS))
        )


async def _answer(run: Run) -> str:
    """The final output, or what the message failed with."""
    try:
        return str((await _insist(run.result)).final_output)
    except AgentsException as error:
        return repr(error)


async def _insist(ask: Callable[[], Awaitable[_T]]) -> _T:
    """Asks again where neither the server nor a worker answers: what was said under a name is said once."""
    while True:
        try:
            return await ask()
        except (RPCError, ServerUnavailable, RunUnattended):
            await asyncio.sleep(0.2)
