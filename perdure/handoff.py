"""Handoffs: an agent gives the conversation to another one. To the model a handoff is a tool that it calls."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, cast

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypeVar

from perdure.context import RunContextWrapper, TContext
from perdure.errors import ModelBehaviorError, UserError
from perdure.items import RunItem, TResponseInputItem
from perdure.strict_schema import ensure_strict_json_schema

if TYPE_CHECKING:
    from perdure.agent import Agent

TAgent = TypeVar("TAgent", default="Agent[Any]")
THandoffInput = TypeVar("THandoffInput", default=Any)

OnHandoffWithInput: TypeAlias = Callable[[RunContextWrapper[Any], THandoffInput], Any]
OnHandoffWithoutInput: TypeAlias = Callable[[RunContextWrapper[Any]], Any]
HandoffEnabledRule: TypeAlias = Callable[[RunContextWrapper[Any], "Agent[Any]"], bool | Awaitable[bool]]


@dataclass(frozen=True)
class HandoffInputData:
    """What the next agent is about to get; a handoff's input filter takes it and returns it changed.

    Attributes:
        input_history: The run's input, or what an earlier handoff made of it.
        pre_handoff_items: The run's items before the turn of the handoff.
        new_items: The items of the turn, with the handoff's call and its output.
        run_context: The run's context.
        input_items: Where it is set, the model gets these in place of `new_items`, which stay in the run's result.
    """

    input_history: str | tuple[TResponseInputItem, ...]
    pre_handoff_items: tuple[RunItem, ...]
    new_items: tuple[RunItem, ...]
    run_context: RunContextWrapper[Any] | None = None
    input_items: tuple[RunItem, ...] | None = None

    def clone(self, **changes: Any) -> HandoffInputData:
        """A copy with changes."""
        return dataclasses.replace(self, **changes)


HandoffInputFilter: TypeAlias = Callable[[HandoffInputData], HandoffInputData | Awaitable[HandoffInputData]]
HandoffHistoryMapper: TypeAlias = Callable[[list[TResponseInputItem]], list[TResponseInputItem]]


@dataclass(frozen=True, eq=False, repr=False)
class _Transfer:
    """Invokes a handoff that `handoff` made: reads the input, tells the callback, names the agent."""

    tool_name: str
    agent: Agent[Any]
    on_handoff: Callable[..., Any] | None = None
    input_type: TypeAdapter[Any] | None = None

    async def __call__(self, context: RunContextWrapper[Any], arguments: str | None = None) -> Agent[Any]:
        if self.on_handoff is not None:
            values = () if self.input_type is None else (self._read(self.input_type, arguments),)
            told = self.on_handoff(context, *values)
            if inspect.isawaitable(told):
                await told
        return self.agent

    def _read(self, input_type: TypeAdapter[Any], arguments: str | None) -> Any:
        if arguments is None:
            raise ModelBehaviorError(f"The model called {self.tool_name!r} without input, which the handoff wants.")
        try:
            return input_type.validate_json(arguments)
        except ValidationError as error:
            # Where and why, never what the model wrote: that may be private.
            wrong = "; ".join(
                f"{'.'.join(map(str, each['loc'])) or 'input'}: {each['type']}"
                for each in error.errors(include_url=False, include_context=False, include_input=False)[:5]
            )
            raise ModelBehaviorError(
                f"Invalid JSON when parsing model output: the input of {self.tool_name!r} does not fit ({wrong})"
            ) from None


@dataclass
class Handoff(Generic[TContext, TAgent]):
    """A handoff as the model sees it and as it is done. Most are made by `handoff`, or of an agent by itself.

    Attributes:
        tool_name: What the model calls.
        tool_description: When to call it, for the model.
        input_json_schema: The JSON schema of the call's arguments.
        on_invoke_handoff: Names the next agent, given the context and the arguments as the model wrote them.
        agent_name: The next agent's name.
        input_filter: Edits what the next agent gets.
        nest_handoff_history: Whether the next agent gets the conversation so far as a summary; `None`: as the run says.
        strict_json_schema: Whether the provider enforces the schema.
        is_enabled: Whether the handoff is offered: a bool, or a sync or async function of (context, agent).
    """

    tool_name: str
    tool_description: str
    input_json_schema: dict[str, Any]
    on_invoke_handoff: Callable[[RunContextWrapper[Any], str], Awaitable[TAgent]]
    agent_name: str
    input_filter: HandoffInputFilter | None = None
    nest_handoff_history: bool | None = None
    strict_json_schema: bool = True
    is_enabled: bool | HandoffEnabledRule = True

    @property
    def agent(self) -> TAgent | None:
        """The agent that takes over; `None` where a function of the user chooses it at the handoff."""
        return cast(TAgent, self.on_invoke_handoff.agent) if isinstance(self.on_invoke_handoff, _Transfer) else None

    @property
    def has_callback(self) -> bool:
        """Whether doing the handoff calls a function of the user; without one it is known beforehand what it does."""
        return not isinstance(self.on_invoke_handoff, _Transfer) or self.on_invoke_handoff.on_handoff is not None

    def to_wire(self) -> dict[str, Any]:
        """The handoff's tool in the form of the Responses API."""
        return {
            "name": self.tool_name,
            "parameters": self.input_json_schema,
            "strict": self.strict_json_schema,
            "type": "function",
            "description": self.tool_description,
        }

    def get_transfer_message(self, agent: Agent[Any]) -> str:
        """The output of the handoff's call: JSON that names the agent now active."""
        return json.dumps({"assistant": agent.name})

    @classmethod
    def default_tool_name(cls, agent: Agent[Any]) -> str:
        """The name of an agent's handoff; what no tool's name may have becomes an underscore."""
        return re.sub(r"[^a-zA-Z0-9_]", "_", f"transfer_to_{agent.name}").lower()

    @classmethod
    def default_tool_description(cls, agent: Agent[Any]) -> str:
        """The description of an agent's handoff."""
        return f"Handoff to the {agent.name} agent to handle the request. {agent.handoff_description or ''}"


def handoff(  # noqa: PLR0917  the Agents SDK's signature, which takes all of them by position
    agent: Agent[TContext],
    tool_name_override: str | None = None,
    tool_description_override: str | None = None,
    on_handoff: OnHandoffWithInput[THandoffInput] | OnHandoffWithoutInput | None = None,
    input_type: type[THandoffInput] | None = None,
    input_filter: HandoffInputFilter | None = None,
    nest_handoff_history: bool | None = None,
    is_enabled: bool | HandoffEnabledRule = True,
) -> Handoff[TContext, Agent[TContext]]:
    """Makes a handoff to an agent.

    Args:
        agent: The agent that takes over.
        tool_name_override: The tool's name; "transfer_to_" and the agent's name by default.
        tool_description_override: The tool's description, for the model.
        on_handoff: Called when the handoff happens: a sync or async function of the context, and of the input where
            there is an `input_type`.
        input_type: What the model has to give along with the handoff.
        input_filter: Edits what the next agent gets.
        nest_handoff_history: Whether the next agent gets the conversation so far as a summary; `None`: as the run says.
        is_enabled: Whether the handoff is offered: a bool, or a sync or async function of (context, agent).

    Raises:
        UserError: `on_handoff` does not fit, or is missing where there is an `input_type`; the type's schema cannot be
            strict; or `agent` is no agent.
        TypeError: `is_enabled` is neither a bool nor a function.
    """
    if not isinstance(cast(Any, getattr(agent, "name", None)), str):
        raise UserError(f"handoff() got {agent!r:.100}, a {type(agent).__name__}. Give the agent that takes over.")
    if not isinstance(cast(Any, is_enabled), bool) and not callable(is_enabled):
        raise TypeError(f"The handoff to {agent.name!r} has is_enabled={is_enabled!r}. Give a bool or a function.")
    _check_callback(agent.name, on_handoff, input_type)
    reader = None if input_type is None else TypeAdapter[Any](input_type)
    name = tool_name_override or Handoff.default_tool_name(agent)
    return Handoff(
        tool_name=name,
        tool_description=tool_description_override or Handoff.default_tool_description(agent),
        input_json_schema=ensure_strict_json_schema({} if reader is None else reader.json_schema()),
        on_invoke_handoff=_Transfer(name, agent, on_handoff, reader),
        agent_name=agent.name,
        input_filter=input_filter,
        nest_handoff_history=nest_handoff_history,
        is_enabled=is_enabled,
    )


def as_handoff(entry: Agent[Any] | Handoff[Any, Any]) -> Handoff[Any, Any]:
    """An entry of `Agent.handoffs` as a handoff: the default one of a bare agent."""
    return entry if isinstance(entry, Handoff) else handoff(entry)


async def filter_input(input_filter: HandoffInputFilter, data: HandoffInputData) -> HandoffInputData:
    """Calls a handoff's input filter.

    Raises:
        UserError: The filter is no function, or it returns something else than a HandoffInputData.
    """
    if not callable(cast(Any, input_filter)):
        raise UserError(f"A handoff's input filter is {input_filter!r:.100}. Give a function.")
    filtered: Any = input_filter(data)
    filtered = await filtered if inspect.isawaitable(filtered) else filtered
    if not isinstance(filtered, HandoffInputData):
        raise UserError(
            f"A handoff's input filter returned {filtered!r:.100}, a {type(filtered).__name__}. "
            "Return a HandoffInputData, as `data.clone(...)` makes it."
        )
    return filtered


def _check_callback(name: str, on_handoff: Any, input_type: Any) -> None:
    if on_handoff is None:
        if input_type is not None:
            raise UserError(f"The handoff to {name!r} has an input_type but no on_handoff. Give the one that takes it.")
        return
    if not callable(on_handoff):
        raise UserError(f"The handoff to {name!r} has on_handoff={on_handoff!r:.100}. Give a function.")
    wanted = ["context"] if input_type is None else ["context", "input"]
    signature = inspect.signature(on_handoff)
    if len(signature.parameters) != len(wanted):
        raise UserError(
            f"The on_handoff of the handoff to {name!r} takes {signature}; it is called with {' and '.join(wanted)}. "
            f"Give it exactly {'this parameter' if len(wanted) == 1 else 'these two parameters'}."
        )
