"""How the events of a model's answer get to who watches the run: beside the history, and only while somebody does.

Within a process they go through memory (`perdure.event_hub`), between processes through Temporal (`perdure.outbox`,
decision 0016). Another way between processes is an object with the methods of `EventTransport`, given to
`use_transport` by the program that watches and by the module of the worker.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Delta:
    """One event of a model's answer on its way.

    Attributes:
        path: Of which agent as a tool; empty for the run itself.
        attempt: Which attempt of the model call, from 1.
        data: The event: JSON of the Responses API, or a model's own object. `None`: the attempt begins.
        call: Which model call of the turn: one more than those that were stopped.
        number: Its place in the attempt, which begins with 0; who watches drops what does not follow.
        stream: Names the attempt, unlike any other of any run.
        execution: The run id of the workflow execution that asked.
    """

    path: str
    turn: int
    attempt: int
    data: Any = None
    call: int = 0
    number: int = 0
    stream: str = ""
    execution: str = ""


class EventTransport(Protocol):
    """Carries deltas from the steps that ask models to who watches; nothing depends on what it loses.

    `is_watched` and `publish` are called where models are asked, from any thread; `watch` where a program watches, on
    Perdure's own loop. A transport that fails costs a watcher the deltas: what is said is told from the transcript.
    """

    def is_watched(self, run_id: str) -> bool:
        """Whether somebody watches the run; where nobody does, its models are asked for whole answers. Never blocks."""
        ...

    def publish(self, run_id: str, delta: Delta) -> None:
        """Hands a delta to all who watch the run; never blocks."""
        ...

    async def watch(self, run_id: str, task_queue: str, take: Callable[[Delta], None]) -> Callable[[], Awaitable[None]]:
        """Hands each delta of a run to `take` from now on, those of an attempt in order.

        Args:
            run_id: The run, which may not have started yet.
            task_queue: Where workers serve it.
            take: Takes a delta, on any thread; one that comes twice is dropped.

        Returns:
            What ends that.
        """
        ...


_used: list[EventTransport] = []


def use_transport(transport: EventTransport | None) -> None:
    """Has deltas travel between processes this way instead of through Temporal; `None`: through Temporal again."""
    _used[:] = [] if transport is None else [transport]


def transport_in_use() -> EventTransport | None:
    """The way that the program has chosen; `None`: through Temporal."""
    return _used[0] if _used else None
