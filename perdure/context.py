"""What tools and callables are handed: the user's context, the usage so far, and which call this is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic

from typing_extensions import TypeVar

from perdure.usage import Usage

if TYPE_CHECKING:
    from perdure.agent import Agent
    from perdure.settings import RunConfig

TContext = TypeVar("TContext", default=Any)


@dataclass(eq=False)
class RunContextWrapper(Generic[TContext]):
    """The context given to `Runner.run`, never sent to the model, with the run's usage so far."""

    context: TContext
    usage: Usage = field(default_factory=Usage)
    turn_input: list[Any] = field(default_factory=list[Any])
    tool_input: Any | None = None


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
        attempt: 1 on the first attempt; higher after an attempt was lost.
    """

    tool_name: str = ""
    tool_call_id: str = ""
    tool_arguments: str = ""
    tool_namespace: str | None = None
    agent: Agent[Any] | None = None
    run_config: RunConfig | None = None
    idempotency_key: str = ""
    run_id: str = ""
    attempt: int = 1
