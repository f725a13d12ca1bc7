"""What has happened in a run since it was last looked at, for traces and metrics.

The state after an activation is compared with what was seen before: neither the loop nor the workflow knows that
somebody looks, and a replay shows the same again. Steps say for themselves what they do; here is what spans many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from perdure.loop.records import Decision, Failure
from perdure.loop.state import Call, Frame, LoopState
from perdure.usage import Usage

NANOSECONDS = 1_000_000_000


@dataclass(slots=True)
class Agent:
    """An agent at work: the run itself, or an agent as a tool.

    Attributes:
        path: The call that it answers, ours; empty for the run. `tool` and `call_id` are the call's, the model's own.
        outer: The path of who called it.
        name: Who began; `active` is the key of who has the conversation now.
        handing_over_ns: Since when it is being handed over; 0 if it is not.
        frame: What the loop has of it, also once the call that it answers is closed.
        counted: How many of its turns were told.
        is_over: Whether its end has been seen, while the call that it answers is still open.
    """

    path: str
    name: str
    active: str
    began_ns: int
    outer: str = ""
    tool: str = ""
    call_id: str = ""
    frame: Frame | None = None
    counted: int = 0
    handing_over_ns: int = 0
    is_over: bool = False

    @property
    def turns(self) -> int:
        """How many turns it has had."""
        return 0 if self.frame is None else self.frame.turn

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


Change: TypeAlias = TurnsBegan | HandedOff | Asked | Decided | AgentEnded


@dataclass(slots=True)
class Changes:
    """What was seen of a run.

    Attributes:
        goes_on: Whether earlier executions of the run have told what they saw.
        began: When the run, and agents as tools that earlier executions began, did so, by path.
    """

    goes_on: bool = False
    began: dict[str, int] = field(default_factory=dict[str, int])
    agents: dict[str, Agent] = field(default_factory=dict[str, Agent])
    waiting: dict[str, Waiting] = field(default_factory=dict[str, Waiting])
    _is_first: bool = True

    def look(self, state: LoopState, now_ns: int) -> list[Change]:
        """What has happened since the last look, in the order in which it is told."""
        frames = state.frames()
        changes: list[Change] = list(self._turns(state))  # before it is seen to whom they have handed over
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

    def end(self, now_ns: int) -> list[Change]:
        """What ends because the run has."""
        left: list[Change] = [Decided(call, None, now_ns) for call in self.waiting.values()]
        self.waiting = {}
        for agent in reversed(list(self.agents.values())):
            if agent.path and not agent.is_over:
                left.append(AgentEnded(agent, now_ns))
        return left

    def carried(self) -> dict[str, int]:
        """What the run's next execution is told as `began`."""
        return {path: agent.began_ns for path, agent in self.agents.items() if not agent.is_over}

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
            counted=frame.turn if self._is_first else 0,
            is_over=_is_over(frame) and bool(frame.path),
        )
        above = next((each for each in state.frames() if frame.path and each.call(frame.path) is not None), None)
        call = None if above is None else above.call(frame.path)
        if above is not None and call is not None:
            met.outer, met.tool, met.call_id = above.path, call.name, call.model_call_id
            if call.tool is not None and call.tool.agent is not None:
                met.name = name_of(state, call.tool.agent.agent)
        return met

    def _decisions(self, state: LoopState, frames: list[Frame], now_ns: int) -> Iterator[Change]:
        waiting = {
            call.id: _waiting(state, frame, call) for frame in frames for call in frame.calls if call.phase == "waiting"
        }
        for call_id, call in self.waiting.items():
            if call_id not in waiting:
                decision = state.decided.get(call_id)
                ended_ns = now_ns if decision is None else int(decision.at * NANOSECONDS)
                yield Decided(call, decision, max(ended_ns, call.since_ns))
        if not (self._is_first and self.goes_on):
            yield from (Asked(call) for call_id, call in waiting.items() if call_id not in self.waiting)
        self.waiting = waiting


def name_of(state: LoopState, key: str) -> str:
    """An agent's name."""
    definition = None if state.snapshot is None else state.snapshot.agents.get(key)
    return definition.name if definition is not None else key or state.agent_name


def _is_over(frame: Frame) -> bool:
    return frame.stage == "done" or frame.failure is not None


def _waiting(state: LoopState, frame: Frame, call: Call) -> Waiting:
    agent, since_ns = name_of(state, frame.agent), int(call.since * NANOSECONDS)
    return Waiting(call.id, frame.path, agent, call.name, call.model_call_id, since_ns)
