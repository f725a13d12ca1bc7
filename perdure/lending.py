"""What callers lend to their runs: their objects, and the loop that these belong to."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.portable_context import public_keys, replace_state
from perdure.settings import RunConfig
from perdure.snapshot import Member
from perdure.usage import Usage

# Which guardrail it was, and about what: kind, source, index, the agent's key, the call's id.
GuardrailPlace: TypeAlias = tuple[str, str, int, str, str]

_MOST_RESTING = 1000


@dataclass
class Lent:
    """What a caller lends to its own run: its objects and its loop.

    Attributes:
        known: The keys of a dict as context that the run knows: one of them that its state lacks was taken out.
        infos: What guardrails said about their judgements, with the JSON that the run keeps of it.
        wrapper: What the context was given in; `counted` is how much of the run's usage is part of its usage by now.
        used_before: The wrapper's usage before the run.
    """

    agent: Agent[Any]
    config: RunConfig
    context: Any
    loop: asyncio.AbstractEventLoop
    hooks: Any | None = None
    error_handlers: dict[str, Any] = field(default_factory=dict[str, Any])
    errors: list[BaseException] = field(default_factory=list[BaseException])
    members: dict[str, Member] = field(default_factory=dict[str, Member])
    infos: dict[GuardrailPlace, tuple[Any, Any]] = field(default_factory=dict[GuardrailPlace, tuple[Any, Any]])
    wrapper: RunContextWrapper[Any] | None = None
    session: Any | None = None
    used_before: Usage = field(default_factory=Usage)
    counted: Usage = field(default_factory=Usage)
    known: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lend_context(self.context)

    def lend_context(self, context: Any) -> None:
        """Lends another context."""
        self.context, self.known = context, public_keys(context)

    def lend_wrapper(self, wrapper: RunContextWrapper[Any] | None) -> None:
        """Lends what the context was given in."""
        if wrapper is not None and wrapper is self.wrapper:
            return
        self.wrapper = wrapper
        self.used_before = Usage() if wrapper is None else copy.deepcopy(wrapper.usage)

    def update_context(self, state: dict[str, Any]) -> None:
        """Gives the caller's own object the run's state."""
        replace_state(self.context, state, self.known)
        self.known = public_keys(self.context) & state.keys()


class Loans:
    """What was lent, by run; to a thread for each of its messages, of which the one under way counts."""

    def __init__(self) -> None:
        self._by_run: dict[str, Lent] = {}
        self._by_message: dict[tuple[str, str], Lent] = {}
        self._resting: dict[str, None] = {}  # threads, in the order in which their last messages ended

    def lend(self, run_id: str, lent: Lent) -> None:
        """Serves one run with its caller's objects."""
        self._by_run[run_id] = lent

    def lend_message(self, run_id: str, message_id: str, lent: Lent) -> None:
        """Serves a thread with its caller's objects from the moment in which this message is under way."""
        self._by_message[run_id, message_id] = lent

    def turn_to(self, run_id: str, message_id: str) -> None:
        """A step of this message has come: its caller's objects count, if they are of this process."""
        lent = self._by_message.get((run_id, message_id))
        if lent is not None:
            self._by_run[run_id] = lent

    def lend_back(self, run_id: str, earlier: Lent | None) -> None:
        """Serves a run as it was served before, or not at all."""
        if earlier is None:
            self._by_run.pop(run_id, None)
        else:
            self._by_run[run_id] = earlier

    def lent(self, run_id: str) -> Lent | None:
        """What was lent to a run."""
        return self._by_run.get(run_id)

    def lent_for(self, run_id: str, message_id: str) -> Lent | None:
        """What was lent to a thread for one message."""
        return self._by_message.get((run_id, message_id))

    def take_back(self, run_id: str) -> None:
        """Ends the loan, when the run has ended."""
        self._by_run.pop(run_id, None)

    def end_message(self, run_id: str, message_id: str) -> None:
        """Ends the loan for one message; of the last threads what was lent last stays, for what others say there."""
        self._by_message.pop((run_id, message_id), None)
        self._resting.pop(run_id, None)
        self._resting[run_id] = None
        if len(self._resting) > _MOST_RESTING:
            oldest = next(iter(self._resting))
            del self._resting[oldest]
            self._by_run.pop(oldest, None)
