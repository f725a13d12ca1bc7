"""What tools and callables are handed: the user's context, the usage so far, and which call this is."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Generic

from typing_extensions import TypeVar

from perdure.usage import Usage

if TYPE_CHECKING:
    from perdure.agent import Agent
    from perdure.settings import RunConfig

TContext = TypeVar("TContext", default=Any)


@dataclass(eq=False)
class RunContextWrapper(Generic[TContext]):
    """The context given to `Runner.run`, never sent to the model, with the run's usage so far.

    Attributes:
        context: The object given to `Runner.run`.
        usage: What the run has used until now.
        turn_input: What the model is sent in this turn; empty where no turn is under way.
        tool_input: The arguments of an agent that runs as a tool.
        attempt: 1 on the first attempt of this piece of user code; higher after an attempt was lost. A hook, a
            guardrail or a function that runs again can tell by it that its first run may have had effects.
    """

    context: TContext
    usage: Usage = field(default_factory=Usage)
    turn_input: list[Any] = field(default_factory=list[Any])
    _: KW_ONLY
    tool_input: Any | None = None
    attempt: int = 1


@dataclass(eq=False)
class AgentHookContext(RunContextWrapper[TContext]):
    """The context of the hooks that an agent's start and end call; `turn_input` has what the agent is given."""


@dataclass(eq=False)
class ToolContext(RunContextWrapper[TContext]):
    """The context of one tool call.

    Attributes:
        tool_name: The tool's name as the model called it.
        tool_call_id: The model's id of the call.
        tool_arguments: The arguments as the model wrote them, a JSON string.
        agent: The agent that made the call.
        run_config: The run's configuration.
        idempotency_key: Names this call in the world: the same over attempts, crashes and workers, another for each
            call. Hand it to the service that has the effect, or store it in the transaction that makes the change.
        run_id: The run's id, which is its workflow's id.
    """

    turn_input: list[Any] = field(default_factory=list[Any], kw_only=True)
    tool_name: str = ""
    tool_call_id: str = ""
    tool_arguments: str = ""
    _: KW_ONLY
    tool_namespace: str | None = None
    agent: Agent[Any] | None = None
    run_config: RunConfig | None = None
    idempotency_key: str = ""
    run_id: str = ""
