"""What a run under way needs and this worker does not have as the run knows it, told before any step is declined.

These are the very checks that steps make before they do anything, made for all steps that a run may come to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from perdure.definition import AgentDefinition, GuardrailDefinition, HandoffDefinition, RunRules, ToolDefinition
from perdure.loop.state import Call, Frame, LoopState
from perdure.served import AgentNotServed, ServedAgents
from perdure.served_sessions import find_session
from perdure.snapshot import Member

from .check_guardrail import GuardrailPlace, guardrails_of, live_guardrail
from .fixed_parts import fixed_output_schema, fixed_tools
from .handing_off import NO_FILTER, as_it_was, live_handoff
from .judging_calls import tool_use_function
from .live_tools import LiveTools, ToolKnown
from .providers.dispatch import LiveParts, live_model
from .providers.wiring import is_wired
from .resolving import check_functions

_FINAL = "the final output of agent {key!r}"


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that a run needs and this worker lacks.

    Attributes:
        step: What waits for it, in a few words.
        reason: What the worker would say when it declines that step.
        certain: Whether the run comes to that step unless it ends before; else it may.
    """

    step: str
    reason: str
    certain: bool


class Lacking:
    """Compares runs with the agents that this worker has."""

    def __init__(self, served: ServedAgents) -> None:
        self._served = served
        self._tools = LiveTools(served, None)

    def of(self, run_id: str, state: LoopState) -> list[Lack]:
        """What the run needs that is not there as it was, by the step that would wait; what is certain comes first."""
        found: dict[tuple[str, str], Lack] = {}
        for lack in _Needs(self._served, self._tools, run_id, state).lacks():
            found.setdefault((lack.step, lack.reason), lack)
        return sorted(found.values(), key=lambda lack: not lack.certain)


@dataclass(frozen=True, slots=True)
class _Needs:
    """What one run needs."""

    served: ServedAgents
    tools: LiveTools
    run_id: str
    state: LoopState

    def lacks(self) -> Iterator[Lack]:
        state = self.state
        if state.root.stage == "listening":
            yield from self._of_agent("its next message", state.agent_name, certain=False)
            return
        if state.snapshot is None:
            yield from self._of_agent("its first step", state.agent_name, certain=True)
            return
        frames = state.frames()
        for frame in frames:
            yield from self._of_frame(frame)
        for key in state.agents.keys() - {frame.agent for frame in frames}:
            yield from self._of_agent(f"agent {key!r}, once it has the word", key, certain=False)
            yield from self._of_parts(key, state.agents[key], RunRules(), asks=False, ends=False)

    def _of_agent(self, step: str, key: str, *, certain: bool) -> Iterator[Lack]:
        yield from _lack(step, lambda: self._member(key), certain)

    def _member(self, key: str) -> Member:
        return self.served.member(self.run_id, self.state.agent_name, key)

    def _of_frame(self, frame: Frame) -> Iterator[Lack]:
        """What an agent that has the word needs; where it is not there at all, no more is said."""
        absent = list(self._of_agent(f"every step of agent {frame.agent!r}", frame.agent, certain=True))
        if absent:
            yield from absent
            return
        member, definition = self._member(frame.agent), self.state.definition(frame)
        for call in frame.calls:
            yield from self._of_call(frame, call)
        for handed in frame.handoffs[:1]:
            yield from _of_handoff(f"handoff {handed.id} ({handed.definition.tool_name})", member, handed.definition)
        due = [guard for guard in frame.guards if not guard.passed and frame.stage != "calling"]
        due += [guard for guard in (frame.admission.guards if frame.admission else []) if not guard.passed]
        yield from _of_guards("its input", member, "input", ((each.source, each.index, each.name) for each in due))
        yield from self._of_session(frame)
        yield from self._of_output(frame, member, definition)
        asks = frame.final is None
        yield from self._of_parts(frame.agent, definition, frame.rules, asks=asks, ends=True)

    def _of_call(self, frame: Frame, call: Call) -> Iterator[Lack]:
        if call.phase != "done" and call.tool is not None:
            yield from self._of_tool(f"call {call.id} of {call.name}", frame.agent, call.tool, certain=True)

    def _of_tool(self, step: str, key: str, tool: ToolDefinition, *, certain: bool) -> Iterator[Lack]:
        known = ToolKnown(tool.name, tool.fingerprint)
        yield from _lack(step, lambda: self.tools.known(self.run_id, self.state.agent_name, key, known), certain)

    def _of_session(self, frame: Frame) -> Iterator[Lack]:
        track = frame.session
        if track is None or track.kept is not None or track.definition.store is not None:
            return
        if self.served.session_factory is None:  # a factory is not asked: it may open what it makes
            root, wanted = self.state.agent_name, track.definition
            yield from _lack(
                "its session", lambda: find_session(self.served, self.run_id, root, frame.opened_by, wanted), True
            )

    def _of_output(self, frame: Frame, member: Member, definition: AgentDefinition) -> Iterator[Lack]:
        """What a final output that there is already needs."""
        if frame.final is not None and frame.final.kind == "typed":
            yield from _lack(
                _FINAL.format(key=frame.agent), lambda: fixed_output_schema(member.agent, definition), True
            )

    def _of_parts(
        self, key: str, definition: AgentDefinition, rules: RunRules, *, asks: bool, ends: bool
    ) -> Iterator[Lack]:
        """What an agent's definition asks of the live agent, whatever the run is at.

        Args:
            key: The agent.
            definition: It, as the run knows it.
            rules: What its run asks besides.
            asks: Whether its model is asked once more for certain.
            ends: Whether its final output is the run's for certain.
        """
        try:
            member = self._member(key)
        except AgentNotServed:  # said before
            return
        request = f"the next request to the model of agent {key!r}"
        yield from _lack(request, lambda: _check_request(member, definition), asks)
        if definition.tool_use == "rule":
            yield from _lack(f"what follows a tool of agent {key!r}", lambda: tool_use_function(member), False)
        outputs = _places(definition.output_guardrails, rules.output_guardrails)
        yield from _of_guards(_FINAL.format(key=key), member, "output", outputs, certain=ends)
        inputs = _places(definition.input_guardrails, rules.input_guardrails)
        yield from _of_guards(f"input that is sent to agent {key!r}", member, "input", inputs, certain=False)
        for tool in definition.tools:
            if not tool.hosted:
                yield from self._of_tool(f"a call of {tool.name} by agent {key!r}", key, tool, certain=False)
        for handoff in definition.handoffs:
            yield from _of_handoff(f"handoff {handoff.tool_name} of agent {key!r}", member, handoff, certain=False)


def _lack(step: str, find: Callable[[], Any], certain: bool) -> Iterator[Lack]:
    """The lack that a check comes upon."""
    try:
        find()
    except AgentNotServed as error:
        yield Lack(step, str(error), certain)


def _check_request(member: Member, definition: AgentDefinition) -> None:
    """Makes sure that a request can be made as the run has it fixed.

    Raises:
        AgentNotServed: The live agent lacks something for it.
    """
    agent = member.agent
    fixed_output_schema(agent, definition)
    check_functions(agent, definition)
    if definition.model_object:
        model = live_model(definition, LiveParts(agent, member.config))
        if not is_wired(model):
            fixed_tools(agent, definition, frozenset())


def _of_handoff(step: str, member: Member, handoff: HandoffDefinition, *, certain: bool = True) -> Iterator[Lack]:
    if handoff.invokes:
        check = lambda: as_it_was(live_handoff(member, handoff.tool_name), handoff.input_fingerprint)  # noqa: E731
        yield from _lack(step, check, certain)
    if handoff.filters:
        yield from _lack(step, lambda: _filter(member, handoff.tool_name), certain)


def _filter(member: Member, tool_name: str) -> Any:
    wanted = live_handoff(member, tool_name).input_filter or member.config.handoff_input_filter
    if wanted is None:
        raise AgentNotServed(NO_FILTER.format(name=tool_name))
    return wanted


def _places(
    of_agent: tuple[GuardrailDefinition, ...], of_run: tuple[GuardrailDefinition, ...]
) -> Iterator[tuple[str, int, str]]:
    for source, guardrails in (("agent", of_agent), ("run", of_run)):
        yield from ((source, number, each.name) for number, each in enumerate(guardrails))


def _of_guards(
    step: str, member: Member, kind: str, places: Iterable[tuple[str, int, str]], *, certain: bool = True
) -> Iterator[Lack]:
    for source, number, name in places:
        place, have = GuardrailPlace(source, kind, number, name), guardrails_of(member, source, kind)
        yield from _lack(step, lambda place=place, have=have: live_guardrail(place, have), certain)
