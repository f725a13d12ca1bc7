"""What follows when an agent has used tools: the model again, or the end of the run with a tool's output."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, cast, get_args

from perdure.context import RunContextWrapper
from perdure.errors import UserError

if TYPE_CHECKING:
    from perdure.items import RunItem, ToolApprovalItem
    from perdure.tool import FunctionTool

_NAMED = Literal["run_llm_again", "stop_on_first_tool"]


class StopAtTools(TypedDict):
    """Ends the run at a call of one of these tools, with its output; of several the first in call order counts."""

    stop_at_tool_names: list[str]


@dataclass
class ToolsToFinalOutputResult:
    """What a `tool_use_behavior` function decides.

    Attributes:
        is_final_output: Whether the run ends; if not, the model is asked again.
        final_output: The run's output, if it ends.
    """

    is_final_output: bool
    final_output: Any | None = None


@dataclass
class FunctionToolResult:
    """What one call of a function tool came to.

    Attributes:
        tool: The tool.
        output: What it returned, or the text that stands for its failure.
        run_item: The item that answers the call.
        interruptions: The calls that wait for a decision inside of an agent that ran as a tool.
        agent_run_result: The result of that agent's run.
    """

    tool: FunctionTool
    output: Any
    run_item: RunItem | None
    interruptions: list[ToolApprovalItem] = field(default_factory=list["ToolApprovalItem"])
    agent_run_result: Any = None


ToolsToFinalOutputFunction: TypeAlias = Callable[
    [RunContextWrapper[Any], list[FunctionToolResult]],
    ToolsToFinalOutputResult | Awaitable[ToolsToFinalOutputResult],
]
ToolUseBehavior: TypeAlias = _NAMED | StopAtTools | ToolsToFinalOutputFunction


def validate_tool_use_behavior(value: Any) -> None:
    """Refuses what cannot be an agent's `tool_use_behavior`.

    Raises:
        TypeError: It is no behavior at all.
        UserError: It is a dict that does not name tools.
    """
    if isinstance(value, Mapping):
        _check_names(cast("Mapping[str, Any]", value))
    elif value not in get_args(_NAMED) and not callable(value):
        wanted = " or ".join(map(repr, get_args(_NAMED)))
        raise TypeError(
            f"Agent tool_use_behavior must be {wanted}, a StopAtTools dict or a function, "
            f"got {type(value).__name__}: {value!r:.100}"
        )


async def ask_tool_use(
    function: ToolsToFinalOutputFunction, context: RunContextWrapper[Any], results: list[FunctionToolResult]
) -> ToolsToFinalOutputResult:
    """Asks an agent's `tool_use_behavior` function about the calls of one turn.

    Raises:
        UserError: It returned something else than a decision.
    """
    said = function(context, results)
    decision: Any = await said if inspect.isawaitable(said) else said
    if not isinstance(decision, ToolsToFinalOutputResult):
        raise UserError(
            f"A tool_use_behavior function returned a {type(decision).__name__}. "
            "Return ToolsToFinalOutputResult(is_final_output=..., final_output=...)."
        )
    return decision


def _check_names(value: Mapping[str, Any]) -> None:
    names = value.get("stop_at_tool_names")
    is_list = isinstance(names, list | tuple | set | frozenset)
    are_texts = is_list and all(isinstance(one, str) for one in cast("list[Any]", names))
    if list(value) != ["stop_at_tool_names"] or not are_texts:
        raise UserError(f'Agent tool_use_behavior is {value!r:.100}; write {{"stop_at_tool_names": ["tool", ...]}}.')
