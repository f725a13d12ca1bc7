"""What tools and callables are handed: the user's context, the usage so far, and which call this is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NoReturn, cast

from typing_extensions import TypeVar

from perdure.errors import UserError
from perdure.openai_types import typed_output_item
from perdure.usage import Usage

if TYPE_CHECKING:
    from perdure.agent import Agent
    from perdure.items import ToolApprovalItem
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

    def approve_tool(self, approval_item: ToolApprovalItem, always_approve: bool = False) -> NoReturn:
        """Not supported: a context decides nothing.

        Raises:
            UserError: Always; it says how to decide.
        """
        raise _decides_nothing()

    def reject_tool(
        self, approval_item: ToolApprovalItem, always_reject: bool = False, rejection_message: str | None = None
    ) -> NoReturn:
        """Not supported; see `approve_tool`."""
        raise _decides_nothing()

    def is_tool_approved(self, tool_name: str, call_id: str) -> NoReturn:
        """Not supported; see `approve_tool`. `Run.status` tells what was decided."""
        raise _decides_nothing()


def _decides_nothing() -> UserError:
    return UserError(
        "A context neither knows nor makes decisions about tool calls: the run keeps them, and a tool or hook may run "
        "in another process. Decide with RunState.approve and RunState.reject, or Run.approve and Run.reject; "
        "Run.status tells what was decided."
    )


def qualified_name(tool_name: str, namespace: str | None) -> str:
    """A tool's name, with its namespace before it; one that is the name itself only marks a tool as loaded late."""
    return tool_name if namespace in (None, "", tool_name) else f"{namespace}.{tool_name}"


class _TypedCall:
    """A field that is given as JSON, or as openai's object, and read as openai's object."""

    def __get__(self, context: Any, owner: type[Any] | None = None) -> Any:
        if context is None:
            return None  # the field's default
        given: Any = cast("dict[str, Any]", vars(context))["_tool_call"]
        if not isinstance(given, dict):
            return given
        typed = vars(context)["_tool_call"] = typed_output_item(cast("dict[str, Any]", given))
        return typed

    def __set__(self, context: Any, value: Any) -> None:
        vars(context)["_tool_call"] = value


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
        tool_call: The call as openai's object.
        agent: The agent that made the call.
        run_config: The run's configuration.
        idempotency_key: Names this call in the world: the same over attempts, crashes and workers, another for each
            call. Hand it to the service that has the effect, or store it in the transaction that makes the change.
        run_id: The run's id, which is its workflow's id.
        raised: What the tool has raised, though the model is told a text.
        on_late: Told, from the tool's thread, what it returned after it was told to stop.
    """

    turn_input: list[Any] = field(default_factory=list[Any], kw_only=True)
    tool_name: str = ""
    tool_call_id: str = ""
    tool_arguments: str = ""
    tool_call: _TypedCall = _TypedCall()
    _: KW_ONLY
    tool_namespace: str | None = None
    agent: Agent[Any] | None = None
    run_config: RunConfig | None = None
    idempotency_key: str = ""
    run_id: str = ""
    raised: Exception | None = None
    on_late: Callable[[Any], object] | None = None

    @property
    def qualified_tool_name(self) -> str:
        """The tool's name, with its namespace before it."""
        return qualified_name(self.tool_name, self.tool_namespace)
