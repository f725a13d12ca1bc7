"""What becomes of runs under way when the code at hand is deployed: each is replayed on it, and compared with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from temporalio.client import Client, WorkflowExecution, WorkflowHistory
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from perdure.agent import Agent
from perdure.contracts.run import RunSettings
from perdure.contracts.threads import THREAD_PREFIX
from perdure.definition import AgentDefinition, Snapshot
from perdure.errors import UserError
from perdure.rooms import load_room
from perdure.served import ServedAgents
from perdure.settings import RunConfig
from perdure.snapshot import snapshot

Verdict: TypeAlias = Literal["stands still", "waits", "may wait", "keeps its agents", "unaffected", "pinned"]
"""What becomes of a run, the worst first:

- `stands still`: its history does not run again on this code, so its workflow task would fail;
- `waits`: a step that it comes to needs what the code does not have as the run knows it;
- `may wait`: a step that it may come to does;
- `keeps its agents`: they differ from the deployed ones, and the run goes on with its own;
- `unaffected`: nothing differs;
- `pinned`: it stays with another build of the code, until it goes on in a new history.
"""

VERDICTS: tuple[Verdict, ...] = ("stands still", "waits", "may wait", "keeps its agents", "unaffected", "pinned")
_BEHAVIOR = SearchAttributeKey.for_keyword("TemporalWorkflowVersioningBehavior")
_VERSION = SearchAttributeKey.for_keyword("TemporalWorkerDeploymentVersion")
_AT_ONCE = 8  # histories that are fetched ahead of their replay


@dataclass(frozen=True, slots=True)
class Affected:
    """What becomes of one run.

    Attributes:
        reasons: What waits and why, or what differs; one sentence each.
    """

    run_id: str
    agent: str
    verdict: Verdict
    reasons: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Deployed:
    """The code at hand.

    Attributes:
        agents: The agents that a worker would serve.
        queue: On which task queue.
        build: As which build of which deployment, where workers are versioned.
    """

    agents: list[Agent[Any]]
    queue: str
    session_factory: Callable[[str], Any] | None = None
    build: tuple[str, str] | None = None


async def check_deployment(client: Client, deployed: Deployed, tell: Callable[[str], None]) -> list[Affected]:
    """Every run under way on the queue, with what becomes of it, the worst first.

    The runs are not asked, and do not notice.

    Args:
        client: Reaches the namespace.
        deployed: The code at hand.
        tell: Is told now and then how far it has come.
    """
    served = ServedAgents()
    served.serve(deployed.agents, asyncio.get_running_loop())
    served.session_factory = deployed.session_factory
    comparing = _Comparing(served, {agent.name: agent for agent in deployed.agents})
    found: list[Affected] = []
    theirs: list[WorkflowExecution] = []
    async for execution in client.list_workflows(_query(deployed.queue)):
        other = _other_build(execution, deployed.build)
        if other is None or execution.id.startswith(THREAD_PREFIX):  # a thread comes here with its next message
            theirs.append(execution)
        else:
            reason = f"It stays with build {other}, whose workers it needs, until it goes on in a new history."
            found.append(Affected(execution.id, "", "pinned", [reason]))
    async for replayed in load_room("workflows.replayed").replay(client, _histories(client, theirs)):
        found.append(comparing.judge(replayed))
        tell(f"{len(found)} runs looked at")
    return sorted(found, key=lambda each: (VERDICTS.index(each.verdict), each.run_id))


def _query(queue: str) -> str:
    name = queue.replace("\\", "\\\\").replace('"', '\\"')
    return f'WorkflowType = "AgentRun" AND ExecutionStatus = "Running" AND TaskQueue = "{name}"'


def _other_build(execution: WorkflowExecution, build: tuple[str, str] | None) -> str | None:
    """The build that a run is pinned to, where that is not the one at hand."""
    told = execution.typed_search_attributes
    if told.get(_BEHAVIOR) != "Pinned":
        return None
    deployment, _, build_id = (told.get(_VERSION) or "").partition(":")  # no deployment's name has a colon
    return None if (deployment, build_id) == build else f"{build_id!r} of deployment {deployment!r}"


async def _histories(client: Client, executions: list[WorkflowExecution]) -> AsyncIterator[WorkflowHistory]:
    """The executions' histories, some fetched ahead; those that were deleted meanwhile are left out."""
    for start in range(0, len(executions), _AT_ONCE):
        for history in await asyncio.gather(*(_history(client, each) for each in executions[start : start + _AT_ONCE])):
            if history is not None:
                yield history


async def _history(client: Client, execution: WorkflowExecution) -> WorkflowHistory | None:
    try:
        return await client.get_workflow_handle(execution.id, run_id=execution.run_id).fetch_history()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


class _Comparing:
    """Compares runs with the agents at hand."""

    def __init__(self, served: ServedAgents, agents: dict[str, Agent[Any]]) -> None:
        self._lacking = load_room("activities.lacking").Lacking(served)
        self._agents = agents

    def judge(self, replayed: Any) -> Affected:
        """What becomes of a run that was replayed."""
        run_id, state = replayed.history.workflow_id, replayed.state
        agent = "" if state is None else state.agent_name
        if replayed.failure is not None:
            text = " ".join(str(replayed.failure).split())[:400]
            return Affected(run_id, agent, "stands still", [f"Its history does not run again on this code: {text}"])
        if state is None:
            return Affected(run_id, agent, "unaffected", ["It has not begun, and begins with the deployed agents."])
        lacks = self._lacking.of(run_id, state)
        certain = [f"{_capital(lack.step)} waits: {lack.reason}" for lack in lacks if lack.certain]
        possible = [f"{_capital(lack.step)} would wait: {lack.reason}" for lack in lacks if not lack.certain]
        differs = self._differences(state.agent_name, state.snapshot, replayed.settings)
        if certain or possible:
            return Affected(run_id, agent, "waits" if certain else "may wait", [*certain, *possible])
        return Affected(run_id, agent, "keeps its agents" if differs else "unaffected", differs)

    def _differences(self, name: str, fixed: Snapshot | None, settings: RunSettings) -> list[str]:
        """In what a run's agents differ from what a new run would get."""
        agent = self._agents.get(name)
        if fixed is None or agent is None:
            return []
        try:
            return differences(fixed, snapshot(agent, RunConfig.of(settings.config)))
        except (UserError, TypeError) as error:
            return [f"The deployed agents cannot be run as the run was started: {error}"]


def differences(fixed: Snapshot, deployed: Snapshot) -> list[str]:
    """In what two snapshots differ, a sentence for each agent."""
    found: list[str] = []
    for key in [*fixed.agents, *(key for key in deployed.agents if key not in fixed.agents)]:
        if key not in deployed.agents:
            found.append(f"Agent {key!r} is not among the deployed agents.")
        elif key not in fixed.agents:
            found.append(f"Agent {key!r} is new.")
        elif changed := list(_changes(fixed.agents[key], deployed.agents[key])):
            found.append(f"Agent {key!r} was changed: {', '.join(changed)}.")
    return found


def _changes(fixed: AgentDefinition, deployed: AgentDefinition) -> Iterator[str]:
    for name in AgentDefinition.model_fields:
        old, new = getattr(fixed, name), getattr(deployed, name)
        if old == new:
            continue
        if name in ("tools", "handoffs"):
            yield from _named_changes(
                name[:-1], {_name(each): each for each in old}, {_name(each): each for each in new}
            )
        else:
            yield "model settings" if name == "settings" else name.replace("_", " ")


def _name(part: Any) -> str:
    return getattr(part, "tool_name", None) or part.name


def _named_changes(kind: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    yield from (f"{kind} {name} removed" for name in old if name not in new)
    yield from (f"{kind} {name} added" for name in new if name not in old)
    changed = [name for name in old if name in new and old[name] != new[name]]
    yield from (f"{kind} {name} changed" for name in changed)
    if not changed and old.keys() == new.keys():
        yield f"order of {kind}s"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
