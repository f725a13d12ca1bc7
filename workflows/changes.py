"""What has happened in a run since it was last looked at, for traces and metrics.

The state after an activation is compared with what was seen before: neither the loop nor the workflow knows that
somebody looks, and a replay shows the same again. Steps say for themselves what they do; here is what spans many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from perdure.loop.conversing import Ended, Thread
from perdure.loop.records import Decision, Failure
from perdure.loop.state import Call, Frame, LoopState
from perdure.usage import Usage

NANOSECONDS = 1_000_000_000
MESSAGES = "#"


@dataclass(slots=True)
class Agent:
    """An agent at work: the run itself or a thread's message, or an agent as a tool.

    Attributes:
        path: The call that it answers, ours; empty for the run. `tool` and `call_id` are the call's, the model's own.
        outer: The path of who called it; `caller` is that agent's name.
        name: Who began; `active` is the key of who has the conversation now.
        handing_over_ns: Since when it is being handed over; 0 if it is not.
        frame: What the loop has of it, also once the call that it answers is closed.
        counted: How many of its turns were told.
        is_over: Whether its end has been seen, while the call that it answers is still open.
        message: Of a thread's message: its number; its own id is `message_id`.
    """

    path: str
    name: str
    active: str
    began_ns: int
    outer: str = ""
    caller: str = ""
    tool: str = ""
    call_id: str = ""
    frame: Frame | None = None
    counted: int = 0
    handing_over_ns: int = 0
    is_over: bool = False
    message: int = 0
    message_id: str = ""

    @property
    def turns(self) -> int:
        """How many turns it has had."""
        return 0 if self.frame is None else self.frame.turn - self.frame.begun

    @property
    def used(self) -> Usage:
        """What the models of an agent as a tool have used."""
        return Usage() if self.frame is None else self.frame.used

    @property
    def failure(self) -> Failure | None:
        """What it has ended in, if in a failure."""
        return None if self.frame is None else self.frame.failure


@dataclass(slots=True, frozen=True)
class Waiting:
    """A call that waits for a decision, of an agent by name."""

    call_id: str
    path: str
    agent: str
    tool: str
    model_call_id: str
    since_ns: int


@dataclass(slots=True, frozen=True)
class TurnsBegan:
    """An agent has asked its model."""

    agent: str
    count: int


@dataclass(slots=True, frozen=True)
class HandedOff:
    """One agent of a run, or of an agent as a tool, has handed over to another."""

    path: str
    turn: int
    before: str
    after: str
    began_ns: int
    ended_ns: int


@dataclass(slots=True, frozen=True)
class Asked:
    """A call waits for a decision."""

    call: Waiting


@dataclass(slots=True, frozen=True)
class Decided:
    """It does not wait any more; without a decision, its agent has ended before there was one."""

    call: Waiting
    decision: Decision | None
    ended_ns: int


@dataclass(slots=True, frozen=True)
class AgentEnded:
    """An agent as a tool has ended."""

    agent: Agent
    ended_ns: int


@dataclass(slots=True, frozen=True)
class MessageBegan:
    """A message of a thread has its turn, under these settings."""

    agent: Agent
    settings: dict[str, Any]
    is_known: bool = False  # to an earlier execution


@dataclass(slots=True, frozen=True)
class MessageEnded:
    """Its run has ended."""

    agent: Agent
    ended: Ended
    ended_ns: int


Change: TypeAlias = TurnsBegan | HandedOff | Asked | Decided | AgentEnded | MessageBegan | MessageEnded


@dataclass(slots=True)
class Changes:
    """What was seen of a run.

    Attributes:
        goes_on: Whether earlier executions of the run have told what they saw.
        began: When the run, and agents as tools that earlier executions began, did so, by path.
        messages: Of a thread: how many of its messages have ended.
    """

    goes_on: bool = False
    began: dict[str, int] = field(default_factory=dict[str, int])
    agents: dict[str, Agent] = field(default_factory=dict[str, Agent])
    waiting: dict[str, Waiting] = field(default_factory=dict[str, Waiting])
    messages: int = 0
    _is_first: bool = True

    def look(self, state: LoopState, now_ns: int) -> list[Change]:
        """What has happened since the last look, in the order in which it is told."""
        changes: list[Change] = list(self._turns(state))  # before it is seen to whom they have handed over
        frames = state.frames()
        if state.thread is not None:
            changes += self._messages(state, state.thread, now_ns)
            frames = frames if state.thread.current is not None else []
        for frame in frames:
            changes += self._of_frame(state, frame, now_ns)
        changes += self._decisions(state, frames, now_ns)
        alive = {frame.path for frame in frames if not _is_over(frame)}
        there = {frame.path for frame in frames}
        for path, agent in list(self.agents.items()):
            if path and path not in alive and not agent.is_over:
                agent.is_over = True
                changes.append(AgentEnded(agent, now_ns))
            if path and path not in there:
                del self.agents[path]
        self._is_first = False
        return changes

    def end(self, state: LoopState, now_ns: int) -> list[Change]:
        """What ends because the run has, or a thread's message."""
        left: list[Change] = [_decided(state, call, now_ns) for call in self.waiting.values()]
        self.waiting = {}
        for agent in reversed(list(self.agents.values())):
            if agent.path and not agent.is_over:
                left.append(AgentEnded(agent, now_ns))
        return left

    def carried(self) -> dict[str, int]:
        """What the run's next execution is told as `began`, and as `messages` under a name that no path has."""
        began = {path: agent.began_ns for path, agent in self.agents.items() if not agent.is_over}
        return began | ({MESSAGES: self.messages} if self.messages else {})

    def _messages(self, state: LoopState, thread: Thread, now_ns: int) -> Iterator[Change]:
        """The ends of a thread's messages, each after its beginning; and which one is under way."""
        if self._is_first and self.goes_on and not self.messages:  # nobody looked at the execution before
            self.messages = max((each.sequence for each in thread.ended), default=0)
        current = thread.current
        for ended in [each for each in thread.ended if each.sequence > self.messages]:
            agent = self.agents.get("")
            if agent is None:  # it has failed before it began
                agent = Agent("", name_of(state, ended.first), ended.first, now_ns)
                agent.message, agent.message_id = ended.sequence, ended.message_id
                yield MessageBegan(agent, ended.settings)
            yield from self.end(state, now_ns)
            yield MessageEnded(agent, ended, now_ns)
            self.agents, self.messages = {}, ended.sequence
        if current is not None and "" not in self.agents:
            agent = self.agents[""] = self._met(state, state.root, now_ns)
            agent.message, agent.message_id = current.sequence, current.message_id
            yield MessageBegan(agent, current.settings, is_known="" in self.began)
        self.began.pop("", None)  # was of the first one that is seen

    def _of_frame(self, state: LoopState, frame: Frame, now_ns: int) -> Iterator[Change]:
        known = self.agents.get(frame.path)
        if known is None:
            known = self.agents[frame.path] = self._met(state, frame, now_ns)
        if known.active and frame.agent != known.active:
            before, after = name_of(state, known.active), name_of(state, frame.agent)
            began_ns = known.handing_over_ns or now_ns
            yield HandedOff(frame.path, frame.turn, before, after, began_ns, now_ns)
        if frame.agent != known.active:
            known.active, known.handing_over_ns = frame.agent, 0
        if frame.handoffs and not known.handing_over_ns:
            known.handing_over_ns = now_ns

    def _turns(self, state: LoopState) -> Iterator[Change]:
        for agent in self.agents.values():
            if (began := agent.turns - agent.counted) > 0:
                yield TurnsBegan(name_of(state, agent.active), began)
            agent.counted = agent.turns

    def _met(self, state: LoopState, frame: Frame, now_ns: int) -> Agent:
        """An agent that is seen for the first time; what it did in an earlier execution was told there."""
        met = Agent(
            path=frame.path,
            name=name_of(state, frame.agent) if frame.path else state.agent_name,
            active=frame.agent,
            began_ns=self.began.get(frame.path, now_ns),
            frame=frame,
            counted=frame.turn - frame.begun if self._is_first else 0,
            is_over=_is_over(frame) and bool(frame.path),
        )
        above = next((each for each in state.frames() if frame.path and each.call(frame.path) is not None), None)
        call = None if above is None else above.call(frame.path)
        if above is not None and call is not None:
            met.outer, met.tool, met.call_id = above.path, call.name, call.model_call_id
            met.caller = name_of(state, above.agent)
            if call.tool is not None and call.tool.agent is not None:
                met.name = name_of(state, call.tool.agent.agent)
        return met

    def _decisions(self, state: LoopState, frames: list[Frame], now_ns: int) -> Iterator[Change]:
        waiting = {
            call.id: _waiting(state, frame, call) for frame in frames for call in frame.calls if call.phase == "waiting"
        }
        for call_id, call in self.waiting.items():
            if call_id not in waiting:
                yield _decided(state, call, now_ns)
        if not (self._is_first and self.goes_on):
            yield from (Asked(call) for call_id, call in waiting.items() if call_id not in self.waiting)
        self.waiting = waiting


def name_of(state: LoopState, key: str) -> str:
    """An agent's name."""
    definition = None if state.snapshot is None else state.snapshot.agents.get(key)
    return definition.name if definition is not None else key or state.agent_name


def _decided(state: LoopState, call: Waiting, now_ns: int) -> Decided:
    decision = state.decided.get(call.call_id)
    ended_ns = now_ns if decision is None else int(decision.at * NANOSECONDS)
    return Decided(call, decision, max(ended_ns, call.since_ns))


def _is_over(frame: Frame) -> bool:
    return frame.stage == "done" or frame.failure is not None


def _waiting(state: LoopState, frame: Frame, call: Call) -> Waiting:
    agent, since_ns = name_of(state, frame.agent), int(call.since * NANOSECONDS)
    return Waiting(call.id, frame.path, agent, call.name, call.model_call_id, since_ns)
