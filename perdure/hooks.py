"""Hooks: methods of yours that are told what happens in a run, or to one agent.

A hook runs where the event's own step runs, so it may use the network and the clock. It is told at least once: after a
lost attempt (`context.attempt` counts) it is told again. What it raises ends the run.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, get_args

from typing_extensions import TypeVar

from perdure.context import AgentHookContext, RunContextWrapper, TContext

if TYPE_CHECKING:
    from perdure.agent import Agent
    from perdure.items import TResponseInputItem
    from perdure.model import ModelResponse
    from perdure.tool import Tool

TAgent = TypeVar("TAgent", default=Any)

HookEvent: TypeAlias = Literal[
    "on_agent_start", "on_agent_end", "on_handoff", "on_tool_start", "on_tool_end", "on_llm_start", "on_llm_end"
]

_EVENTS: tuple[HookEvent, ...] = get_args(HookEvent)
_AGENTS_OWN_NAMES: dict[str, str] = {"on_agent_start": "on_start", "on_agent_end": "on_end"}


class RunHooksBase(Generic[TContext, TAgent]):
    """Told what happens in a run, whichever agent it is. Override what you want to know, as sync or async methods."""

    async def on_llm_start(
        self,
        context: RunContextWrapper[TContext],
        agent: Agent[TContext],
        system_prompt: str | None,
        input_items: list[TResponseInputItem],
    ) -> None:
        """A model is about to be called."""

    async def on_llm_end(
        self, context: RunContextWrapper[TContext], agent: Agent[TContext], response: ModelResponse
    ) -> None:
        """A model has answered; the answer has not been looked at yet."""

    async def on_agent_start(self, context: AgentHookContext[TContext], agent: TAgent) -> None:
        """An agent becomes the active one: at the start, after a handoff, and where a paused run goes on."""

    async def on_agent_end(self, context: AgentHookContext[TContext], agent: TAgent, output: Any) -> None:
        """An agent has made the final output; its guardrails have not judged it yet."""

    async def on_handoff(self, context: RunContextWrapper[TContext], from_agent: TAgent, to_agent: TAgent) -> None:
        """An agent hands over to another."""

    async def on_tool_start(self, context: RunContextWrapper[TContext], agent: TAgent, tool: Tool) -> None:
        """A tool is about to run; the context is its `ToolContext`."""

    async def on_tool_end(
        self, context: RunContextWrapper[TContext], agent: TAgent, tool: Tool, result: object
    ) -> None:
        """A tool has run; `result` is what it returned, or the text that tells the model of its failure."""


class RunHooks(RunHooksBase[TContext, "Agent[Any]"]):
    """Told what happens in a run, whichever agent it is; given as `Runner.run(..., hooks=...)`."""


class AgentHooksBase(Generic[TContext, TAgent]):
    """Told what happens to one agent. Override what you want to know, as sync or async methods."""

    async def on_start(self, context: AgentHookContext[TContext], agent: TAgent) -> None:
        """The agent becomes the active one: at the start, after a handoff, and where a paused run goes on."""

    async def on_end(self, context: AgentHookContext[TContext], agent: TAgent, output: Any) -> None:
        """The agent has made the final output; its guardrails have not judged it yet."""

    async def on_handoff(self, context: RunContextWrapper[TContext], agent: TAgent, source: TAgent) -> None:
        """This agent, the `source`, hands over to `agent`."""

    async def on_tool_start(self, context: RunContextWrapper[TContext], agent: TAgent, tool: Tool) -> None:
        """A tool of the agent is about to run; the context is its `ToolContext`."""

    async def on_tool_end(
        self, context: RunContextWrapper[TContext], agent: TAgent, tool: Tool, result: object
    ) -> None:
        """A tool has run; `result` is what it returned, or the text that tells the model of its failure."""

    async def on_llm_start(
        self,
        context: RunContextWrapper[TContext],
        agent: Agent[TContext],
        system_prompt: str | None,
        input_items: list[TResponseInputItem],
    ) -> None:
        """The agent's model is about to be called."""

    async def on_llm_end(
        self, context: RunContextWrapper[TContext], agent: Agent[TContext], response: ModelResponse
    ) -> None:
        """The agent's model has answered; the answer has not been looked at yet."""


class AgentHooks(AgentHooksBase[TContext, "Agent[Any]"]):
    """Told what happens to one agent; given as `Agent(..., hooks=...)`."""


AnyHooks: TypeAlias = RunHooksBase[Any, Any] | AgentHooksBase[Any, Any]


def validate_run_hooks(hooks: Any) -> None:
    """Checks that an object can be a run's hooks; `None` can.

    Raises:
        TypeError: It is something else; the message says where an agent's hooks belong.
    """
    if hooks is None or isinstance(hooks, RunHooksBase):
        return
    kind = type(hooks).__name__
    if isinstance(hooks, AgentHooksBase):
        raise TypeError(
            f"Run hooks must be instances of RunHooks. Received agent-scoped hooks ({kind}). "
            "Attach AgentHooks to an Agent via Agent(..., hooks=...)."
        )
    raise TypeError(f"Run hooks must be instances of RunHooks. Received {kind}.")


def validate_agent_hooks(hooks: Any) -> None:
    """Checks that an object can be an agent's hooks; `None` can.

    Raises:
        TypeError: It is something else.
    """
    if hooks is not None and not isinstance(hooks, AgentHooksBase):
        raise TypeError(f"Agent hooks must be an AgentHooks instance or None, got {type(hooks).__name__}")


def overridden(hooks: AnyHooks | None) -> frozenset[str]:
    """The events that hooks of either kind listen to, under the names that run hooks have for them."""
    if hooks is None:
        return frozenset()
    base = AgentHooksBase if isinstance(hooks, AgentHooksBase) else RunHooksBase
    names = {event: _method_name(hooks, event) for event in _EVENTS}
    return frozenset(
        event
        for event, name in names.items()
        if getattr(getattr(hooks, name), "__func__", None) is not getattr(base, name)
    )


async def call_hooks(
    event: HookEvent,
    run_hooks: RunHooksBase[Any, Any] | None,
    agent_hooks: AgentHooksBase[Any, Any] | None,
    context: RunContextWrapper[Any],
    *arguments: Any,
) -> None:
    """Tells the run's and an agent's hooks of one event, the run's first, side by side; waits for both.

    Args:
        event: The event, under its name in `RunHooks`.
        run_hooks: The run's hooks.
        agent_hooks: The agent's hooks; for a handoff those of the agent that hands over.
        context: What the hook is given first.
        arguments: The rest of the run hook's arguments: `agent` and what follows, or `from_agent, to_agent`.

    Raises:
        BaseException: What a hook raised, as it is; of two the run hook's.
    """
    both = (run_hooks, agent_hooks) if event != "on_llm_end" else (agent_hooks, run_hooks)  # as the Agents SDK
    calls = [
        _tell(hooks, event, context, arguments) for hooks in both if hooks is not None and event in overridden(hooks)
    ]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


async def _tell(hooks: AnyHooks, event: HookEvent, context: RunContextWrapper[Any], arguments: tuple[Any, ...]) -> None:
    hook: Callable[..., Awaitable[None] | None] = getattr(hooks, _method_name(hooks, event))
    # A handoff's agents go by name: the two kinds of hooks take them in opposite order.
    if event != "on_handoff":
        told = hook(context, *arguments)
    elif isinstance(hooks, AgentHooksBase):
        told = hook(context, agent=arguments[1], source=arguments[0])
    else:
        told = hook(context, from_agent=arguments[0], to_agent=arguments[1])
    if inspect.isawaitable(told):
        await told


def _method_name(hooks: AnyHooks, event: str) -> str:
    return _AGENTS_OWN_NAMES.get(event, event) if isinstance(hooks, AgentHooksBase) else event
