"""The spans of a run that no step makes: its ids come from the run's own, so whoever makes one makes the same one."""

from __future__ import annotations

import json
from typing import Any

from temporalio import workflow

from perdure.contracts.run import RunSettings
from perdure.contracts.threads import THREAD_PREFIX
from perdure.loop.records import Decision, Failure
from perdure.loop.state import LoopState
from perdure.telemetry.links import PARENT, Link, link_of, span_id_of, trace_id_of
from perdure.telemetry.pipeline import RunSpan
from perdure.usage import Usage

from .changes import NANOSECONDS, Agent, AgentEnded, Change, Decided, HandedOff


class RunSpans:
    """Makes the spans of one run, in whichever execution it is; of a thread, those of one message.

    Args:
        info: The workflow.
        settings: The run's.
        told: What the header says that came with the run, or with the message.
        message: The message's number.
    """

    def __init__(self, info: workflow.Info, settings: RunSettings, told: dict[str, Any], message: int = 0) -> None:
        self._info = info
        self._settings = settings
        self._message = message
        link = link_of(told.get("traceparent"))
        self.is_fresh = link is None or PARENT not in told
        self._parent = link if self.is_fresh else link_of(told.get(PARENT))
        self._root = self._begins(link) if link is None or self.is_fresh else link

    def _begins(self, parent: Link | None) -> Link:
        """The caller's trace, else the one that the settings name, else one of the run's own."""
        info, message = self._info, [self._message] if self._message else []
        whose = "/".join(map(str, [info.namespace, info.workflow_id, info.first_execution_run_id, *message]))
        trace_id = trace_id_of(self._settings.trace_id or whose) if parent is None else parent.trace_id
        sampled = parent is None or parent.sampled
        own = span_id_of(f"{trace_id:032x}", info.namespace, info.workflow_id, info.run_id, *message)
        return Link(trace_id, own, sampled)

    @property
    def trace_id(self) -> int:
        """The run's trace."""
        return self._root.trace_id

    @property
    def decides(self) -> bool:
        """Whether the trace begins with this run, so that nobody has said yet whether it is recorded."""
        return self.is_fresh and self._parent is None

    def sample(self, sampled: bool) -> None:
        """Says whether the trace is recorded."""
        self._root = Link(self._root.trace_id, self._root.span_id, sampled)

    def header(self, state: LoopState, activity_id: str) -> dict[str, Any]:
        """What a step is told."""
        path = state.in_flight.get(activity_id, state.in_flight.get(activity_id.rpartition("-")[0], ""))
        told: dict[str, Any] = {"traceparent": self.agent(path).traceparent}
        if self._settings.trace_include_sensitive_data:
            told["perdure_content"] = True
        if (conversation := self._conversation(state)) is not None:
            told["perdure_conversation"] = conversation
        return told

    def carried(self) -> dict[str, Any]:
        """What the run's next execution is told."""
        return {
            "traceparent": self._root.traceparent,
            PARENT: None if self._parent is None else self._parent.traceparent,
        }

    def agent(self, path: str) -> Link:
        """The span of the run, or of an agent as a tool."""
        return self._link("agent", path) if path else self._root

    def _link(self, kind: str, name: str) -> Link:
        return Link(self._root.trace_id, span_id_of(f"{self._root.span_id:016x}", kind, name), self._root.sampled)

    def of(self, change: Change, state: LoopState) -> list[RunSpan]:
        """The spans that end with a change."""
        match change:
            case HandedOff():
                return [self._handoff(change, state)]
            case Decided():
                return [self._approval(change, state)]
            case AgentEnded(agent, ended_ns):
                return self._nested(agent, ended_ns, state)
            case _:
                return []

    def run(self, agent: Agent, state: LoopState, used: Usage, failure: Failure | None, ended_ns: int) -> RunSpan:
        """The span of the run, or of the message, once it has ended; `failure` is what it ended in, if in one."""
        settings = self._settings
        attributes: dict[str, Any] = {
            **_usage(used),
            "gen_ai.workflow.name": settings.workflow_name,
            "perdure.trace.id": settings.trace_id,
            "perdure.message.id": agent.message_id or None,
            "perdure.message.number": agent.message or None,
        }
        for name, value in (settings.trace_metadata or {}).items():
            plain = isinstance(value, str | bool | int | float)
            attributes[f"perdure.metadata.{name}"] = value if plain else json.dumps(value)
        times = agent.began_ns, ended_ns
        return self._invoked(state, agent, parent=self._parent, times=times, more=attributes, failure=failure)

    def _nested(self, agent: Agent, ended_ns: int, state: LoopState) -> list[RunSpan]:
        """An agent as a tool: the call of the tool, and in it the agent."""
        times, call, failure = (agent.began_ns, ended_ns), self._link("tool", agent.path), agent.failure
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.agent.name": agent.caller,
            "gen_ai.tool.name": agent.tool,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": agent.call_id,
            "perdure.call.id": agent.path,
        }
        name, outer = f"execute_tool {agent.tool}", self.agent(agent.outer)
        return [
            self._invoked(state, agent, parent=call, times=times, more=_usage(agent.used), failure=failure),
            self._span(state, name, own=call, parent=outer, times=times, attributes=attributes, failure=failure),
        ]

    def _invoked(
        self,
        state: LoopState,
        agent: Agent,
        *,
        parent: Link | None,
        times: tuple[int, int],
        more: dict[str, Any],
        failure: Failure | None,
    ) -> RunSpan:
        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": agent.name,
            "perdure.turns": agent.turns,
            **more,
        }
        name, own = f"invoke_agent {agent.name}", self.agent(agent.path)
        return self._span(state, name, own=own, parent=parent, times=times, attributes=attributes, failure=failure)

    def _handoff(self, change: HandedOff, state: LoopState) -> RunSpan:
        attributes = {
            "gen_ai.agent.name": change.before,
            "perdure.handoff.from": change.before,
            "perdure.handoff.to": change.after,
        }
        own, above = self._link("handoff", f"{change.path}/{change.turn}"), self.agent(change.path)
        times = change.began_ns, change.ended_ns
        return self._span(state, f"handoff {change.after}", own=own, parent=above, times=times, attributes=attributes)

    def _approval(self, change: Decided, state: LoopState) -> RunSpan:
        call, decision = change.call, change.decision
        attributes: dict[str, Any] = {
            "gen_ai.agent.name": call.agent,
            "gen_ai.tool.name": call.tool,
            "gen_ai.tool.call.id": call.model_call_id,
            "perdure.call.id": call.call_id,
            "perdure.approval.decision": word_for(decision),
            "perdure.approval.by": None if decision is None else decision.by,
            "perdure.approval.waited_seconds": (change.ended_ns - call.since_ns) / NANOSECONDS,
        }
        if self._settings.trace_include_sensitive_data and decision is not None:
            attributes["perdure.approval.reason"] = decision.reason
        own, above = self._link("approval", call.call_id), self.agent(call.path)
        times = call.since_ns, change.ended_ns
        return self._span(state, f"approval {call.tool}", own=own, parent=above, times=times, attributes=attributes)

    def _span(
        self,
        state: LoopState,
        name: str,
        *,
        own: Link,
        parent: Link | None,
        times: tuple[int, int],
        attributes: dict[str, Any],
        failure: Failure | None = None,
    ) -> RunSpan:
        said = attributes | {
            "gen_ai.conversation.id": self._conversation(state),
            "perdure.run.id": self._info.workflow_id,
        }
        told = {key: value for key, value in said.items() if value is not None}
        error, message = ("", "") if failure is None else (failure.type, failure.message)
        if not self._settings.trace_include_sensitive_data:
            message = ""
        return RunSpan(name, own, parent, times[0], max(times), told, error, message)

    def _conversation(self, state: LoopState) -> str | None:
        """What the run is part of: a group, a thread, a session, or a conversation that the provider keeps."""
        root = state.root
        if self._message:
            return self._settings.group_id or self._info.workflow_id.removeprefix(THREAD_PREFIX)
        session = None if root.session is None else root.session.definition.session_id
        return self._settings.group_id or session or (None if root.kept is None else root.kept.conversation_id)


def _usage(used: Usage) -> dict[str, Any]:
    return {
        "gen_ai.usage.input_tokens": used.input_tokens,
        "gen_ai.usage.output_tokens": used.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": used.input_tokens_details.cached_tokens,
        "gen_ai.usage.reasoning.output_tokens": used.output_tokens_details.reasoning_tokens,
        "perdure.requests": used.requests,
        "perdure.cost.usd": used.priced_usd if used.priced_requests else used.cost_usd,
        "perdure.cost.unpriced": used.unpriced_requests or None,
    }


def word_for(decision: Decision | None) -> str:
    """What became of a call that waited for a decision, in a word."""
    if decision is None:
        return "abandoned"
    return "approved" if decision.approve else "rejected"
