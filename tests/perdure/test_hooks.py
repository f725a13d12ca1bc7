"""Hooks: who is told of what, with which arguments, in which order."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, get_args

import pytest

from perdure.agent import Agent
from perdure.context import AgentHookContext, RunContextWrapper
from perdure.hooks import (
    AgentHooks,
    AgentHooksBase,
    HookEvent,
    RunHooks,
    RunHooksBase,
    call_hooks,
    overridden,
    validate_agent_hooks,
    validate_run_hooks,
)

EVENTS: tuple[HookEvent, ...] = get_args(HookEvent)
TRIAGE: Agent[Any] = Agent(name="Triage")
BILLING: Agent[Any] = Agent(name="Billing")
CONTEXT = AgentHookContext(None)


class RunListener(RunHooks):
    def __init__(self) -> None:
        self.log: list[Any] = []

    async def on_handoff(self, context: Any, from_agent: Any, to_agent: Any) -> None:
        self.log.append((context, from_agent, to_agent))

    def on_tool_end(self, context: Any, agent: Any, tool: Any, result: object) -> None:  # type: ignore[override]
        self.log.append((context, agent, tool, result))


class AgentListener(AgentHooks):
    def __init__(self) -> None:
        self.log: list[Any] = []

    async def on_start(self, context: Any, agent: Any) -> None:
        self.log.append((context, agent))

    async def on_handoff(self, context: Any, agent: Any, source: Any) -> None:
        self.log.append((context, agent, source))


def test_none_and_hooks_that_override_nothing_listen_to_nothing() -> None:
    assert overridden(None) == overridden(RunHooks()) == overridden(AgentHooks()) == frozenset()


def test_hooks_listen_to_what_their_class_overrides() -> None:
    assert overridden(RunListener()) == {"on_handoff", "on_tool_end"}


def test_an_agents_hooks_listen_under_the_names_of_the_runs() -> None:
    assert overridden(AgentListener()) == {"on_agent_start", "on_handoff"}


def test_hooks_listen_to_what_the_instance_overrides() -> None:
    hooks = AgentHooks()
    hooks.on_end = AgentListener().on_start  # type: ignore[method-assign,assignment]
    assert overridden(hooks) == {"on_agent_end"}


@pytest.mark.parametrize("kind", [RunHooks, AgentHooks])
def test_an_inherited_hook_counts(kind: type[Any]) -> None:
    parent = type("Parent", (kind,), {"on_llm_end": lambda *_: None})
    assert overridden(type("Child", (parent,), {})()) == {"on_llm_end"}


def test_hooks_may_name_their_contexts_type() -> None:
    class Shop:
        pass

    class Typed(RunHooks[Shop]):
        async def on_agent_start(self, context: AgentHookContext[Shop], agent: Agent[Any]) -> None:
            pass

    assert overridden(Typed()) == {"on_agent_start"}
    validate_run_hooks(Typed())


async def test_the_hooks_of_a_run_and_of_an_agent_are_told_with_the_same_arguments() -> None:
    run, agent = RunListener(), AgentListener()
    run.on_agent_start = agent.on_start  # type: ignore[method-assign]
    await call_hooks("on_agent_start", run, agent, CONTEXT, TRIAGE)
    assert agent.log == [(CONTEXT, TRIAGE), (CONTEXT, TRIAGE)]


async def test_a_handoff_is_told_as_from_and_to_to_the_run_and_as_target_and_source_to_the_agent() -> None:
    run, agent = RunListener(), AgentListener()
    await call_hooks("on_handoff", run, agent, CONTEXT, TRIAGE, BILLING)
    assert run.log == [(CONTEXT, TRIAGE, BILLING)]
    assert agent.log == [(CONTEXT, BILLING, TRIAGE)]


async def test_a_sync_hook_is_told_too() -> None:
    run = RunListener()
    await call_hooks("on_tool_end", run, None, CONTEXT, TRIAGE, "tool", 5)
    assert run.log == [(CONTEXT, TRIAGE, "tool", 5)]


@pytest.mark.parametrize("event", EVENTS)
async def test_hooks_that_do_not_listen_are_left_alone(event: HookEvent) -> None:
    await call_hooks(event, RunHooks(), AgentHooks(), CONTEXT)
    await call_hooks(event, None, None, CONTEXT)


class Slow(RunHooks):
    def __init__(self, log: list[str], name: str, fails: bool = False) -> None:
        self.log, self.name, self.fails = log, name, fails

    async def on_agent_start(self, context: Any, agent: Any) -> None:
        self.log.append(f"{self.name} starts")
        await asyncio.sleep(0)
        if self.fails:
            raise KeyError(self.name)
        await asyncio.sleep(0)
        self.log.append(f"{self.name} ends")


def of_agent(hooks: Slow) -> AgentHooks:
    agent = AgentHooks()
    agent.on_start = hooks.on_agent_start  # type: ignore[method-assign]
    return agent


async def test_both_hooks_run_side_by_side_and_the_runs_starts_first() -> None:
    log: list[str] = []
    await call_hooks("on_agent_start", Slow(log, "run"), of_agent(Slow(log, "agent")), CONTEXT, TRIAGE)
    assert log == ["run starts", "agent starts", "run ends", "agent ends"]


async def test_what_a_hook_raises_is_raised_once_the_other_has_finished() -> None:
    log: list[str] = []
    with pytest.raises(KeyError, match="run"):
        await call_hooks("on_agent_start", Slow(log, "run", True), of_agent(Slow(log, "agent")), CONTEXT, TRIAGE)
    assert log[-1] == "agent ends"


async def test_of_two_errors_the_run_hooks_is_raised() -> None:
    with pytest.raises(KeyError, match="run"):
        await call_hooks("on_agent_start", Slow([], "run", True), of_agent(Slow([], "agent", True)), CONTEXT, TRIAGE)


def test_run_hooks_or_none_can_be_a_runs_hooks() -> None:
    validate_run_hooks(None)
    validate_run_hooks(RunHooks())


@pytest.mark.parametrize(
    ("hooks", "message"),
    [
        (AgentHooks(), r"Received agent-scoped hooks \(AgentHooks\). Attach AgentHooks to an Agent"),
        (5, "Run hooks must be instances of RunHooks. Received int."),
        (RunHooks, "Received type."),
    ],
)
def test_anything_else_given_as_a_runs_hooks_is_a_type_error(hooks: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        validate_run_hooks(hooks)


@pytest.mark.parametrize("hooks", [RunHooks(), 5])
def test_anything_but_agent_hooks_given_as_an_agents_is_a_type_error(hooks: Any) -> None:
    validate_agent_hooks(AgentHooks())
    with pytest.raises(TypeError, match="Agent hooks must be an AgentHooks instance or None, got"):
        validate_agent_hooks(hooks)


@pytest.mark.parametrize(("ours", "theirs"), [(RunHooksBase, "RunHooksBase"), (AgentHooksBase, "AgentHooksBase")])
def test_events_and_arguments_are_those_of_the_agents_sdk(ours: type[Any], theirs: str) -> None:
    lifecycle = pytest.importorskip("agents.lifecycle")

    def events(kind: type[Any]) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(each).parameters) for name, each in found if name.startswith("on_")}

    assert events(ours) == events(getattr(lifecycle, theirs))


def test_a_context_of_a_start_has_the_turns_input() -> None:
    context: RunContextWrapper[Any] = AgentHookContext(None, turn_input=[{"role": "user", "content": "hi"}])
    assert context.turn_input == [{"role": "user", "content": "hi"}]
