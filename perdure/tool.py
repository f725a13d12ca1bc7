"""Tools: functions that a model may call, and tools that its provider runs.

`@function_tool` makes a tool of a function: its signature and docstring become the schema that the model sees.
`invoke_function_tool` runs one call: what the function raises becomes text for the model, or ends the run.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Unpack, cast, get_args, overload

from perdure.context import RunContextWrapper, ToolContext
from perdure.errors import AgentsException, ToolTimeoutError, UserError, describe_exception
from perdure.hosted_tools import HostedTool
from perdure.strict_schema import ensure_strict_json_schema
from perdure.tool_schema import DocstringStyle, FunctionSchema, function_schema

if TYPE_CHECKING:
    from perdure.agent import Agent

Effect: TypeAlias = Literal["once", "repeatable"]
ToolTimeoutBehavior: TypeAlias = Literal["error_as_result", "raise_exception"]
ToolFunction: TypeAlias = Callable[..., Any]
ToolErrorFunction: TypeAlias = Callable[[RunContextWrapper[Any], Exception], str | Awaitable[str]]
EnabledRule: TypeAlias = "Callable[[RunContextWrapper[Any], Agent[Any]], bool | Awaitable[bool]]"
ApprovalRule: TypeAlias = Callable[[RunContextWrapper[Any], dict[str, Any], str], bool | Awaitable[bool]]

_BEHAVIORS = get_args(ToolTimeoutBehavior)
_EFFECTS = (None, *get_args(Effect))

logger = logging.getLogger(__name__)


class ToolCancelledError(Exception):
    """What a failure function is given where the tool's own code raised `asyncio.CancelledError`."""


@dataclass
class FunctionTool:
    """A tool that this program runs. Most are made by `function_tool`.

    Attributes:
        name: What the model calls.
        description: What it does, for the model.
        params_json_schema: The JSON schema of its arguments; made strict unless `strict_json_schema` is off.
        on_invoke_tool: Runs a call, given its `ToolContext` and the arguments as the model wrote them.
        strict_json_schema: Whether the provider enforces the schema. Strongly recommended.
        is_enabled: Whether the tool is offered: a bool, or a sync or async function of (context, agent).
        tool_input_guardrails: Checked before the tool runs.
        tool_output_guardrails: Checked after it.
        needs_approval: Whether a call waits for a human: a bool, or a function of (context, arguments, call id).
        timeout_seconds: How long a call may take.
        timeout_behavior: `"error_as_result"` tells the model, `"raise_exception"` ends the run.
        timeout_error_function: Makes the text for the model from (context, error) instead of the default one.
        defer_loading: Whether the provider loads the tool only when a search finds it.
        effect: `"once"`: a call whose worker was lost is never repeated. `None` means once for tools that need
            approval, repeatable for all others.
        takes_context: Whether the tool reads the run's context.
    """

    name: str
    description: str
    params_json_schema: dict[str, Any]
    on_invoke_tool: Callable[[ToolContext[Any], str], Awaitable[Any]]
    strict_json_schema: bool = True
    is_enabled: bool | EnabledRule = True
    tool_input_guardrails: list[Any] | None = None
    tool_output_guardrails: list[Any] | None = None
    needs_approval: bool | ApprovalRule = False
    timeout_seconds: float | None = None
    timeout_behavior: ToolTimeoutBehavior = "error_as_result"
    timeout_error_function: ToolErrorFunction | None = None
    defer_loading: bool = False
    _: KW_ONLY
    effect: Effect | None = None
    takes_context: bool = True

    def __post_init__(self) -> None:
        _check_fields(self)
        if self.strict_json_schema:
            try:
                self.params_json_schema = ensure_strict_json_schema(self.params_json_schema)
            except UserError as error:
                raise UserError(f"Tool {self.name!r}: {error.message}") from error

    @property
    def resolved_effect(self) -> Effect:
        """`effect`, or what it means where it is not set."""
        return self.effect or ("repeatable" if self.needs_approval is False else "once")

    def to_wire(self) -> dict[str, Any]:
        """The tool in the form of the Responses API."""
        wire: dict[str, Any] = {
            "name": self.name,
            "parameters": self.params_json_schema,
            "strict": self.strict_json_schema,
            "type": "function",
            "description": self.description,
        }
        return wire | {"defer_loading": True} if self.defer_loading else wire


Tool: TypeAlias = FunctionTool | HostedTool


def default_tool_error_function(ctx: RunContextWrapper[Any], error: Exception) -> str:
    """The text that a model gets for a tool that failed, unless the tool has a failure function of its own."""
    return f"An error occurred while running the tool. Please try again. Error: {_message(error)}"


class FunctionToolOptions(TypedDict, total=False):
    """The options of `function_tool`; those without a remark are fields of `FunctionTool`."""

    name_override: str | None  # the function's name by default
    description_override: str | None  # the docstring's text by default
    docstring_style: DocstringStyle | None  # found out by default
    use_docstring_info: bool  # whether the docstring is read at all
    failure_error_function: ToolErrorFunction | None  # text for the model of what was raised; None: it ends the run
    strict_mode: bool  # whether the schema is strict
    is_enabled: bool | EnabledRule
    needs_approval: bool | ApprovalRule
    tool_input_guardrails: list[Any] | None
    tool_output_guardrails: list[Any] | None
    timeout: float | None  # seconds that an async function may take
    timeout_behavior: ToolTimeoutBehavior
    timeout_error_function: ToolErrorFunction | None
    defer_loading: bool
    effect: Effect | None


ToolDecorator: TypeAlias = Callable[[ToolFunction], FunctionTool]


@overload
def function_tool(func: ToolFunction, **options: Unpack[FunctionToolOptions]) -> FunctionTool: ...
@overload
def function_tool(func: None = None, **options: Unpack[FunctionToolOptions]) -> ToolDecorator: ...
def function_tool(
    func: ToolFunction | None = None,
    *,
    name_override: str | None = None,
    description_override: str | None = None,
    docstring_style: DocstringStyle | None = None,
    use_docstring_info: bool = True,
    failure_error_function: ToolErrorFunction | None = default_tool_error_function,
    strict_mode: bool = True,
    is_enabled: bool | EnabledRule = True,
    needs_approval: bool | ApprovalRule = False,
    tool_input_guardrails: list[Any] | None = None,
    tool_output_guardrails: list[Any] | None = None,
    timeout: float | None = None,
    timeout_behavior: ToolTimeoutBehavior = "error_as_result",
    timeout_error_function: ToolErrorFunction | None = None,
    defer_loading: bool = False,
    effect: Effect | None = None,
) -> FunctionTool | ToolDecorator:
    """Makes a tool of a sync or async function; `FunctionToolOptions` says what each option does."""

    def decorate(function: ToolFunction) -> FunctionTool:
        schema = function_schema(
            function, docstring_style=docstring_style, name_override=name_override,
            description_override=description_override, use_docstring_info=use_docstring_info,
            strict_json_schema=strict_mode,
        )  # fmt: skip  # an argument a line would hide the two steps
        tool = FunctionTool(
            schema.name, schema.description, schema.params_json_schema,
            _invoker(function, schema, failure_error_function), strict_mode, is_enabled, tool_input_guardrails,
            tool_output_guardrails, needs_approval, timeout, timeout_behavior, timeout_error_function, defer_loading,
            effect=effect, takes_context=schema.takes_context,
        )  # fmt: skip  # as above
        if timeout is not None and not _is_async(function):
            raise ValueError(f"Tool {tool.name!r} is a sync function, which no timeout can stop. Make it async.")
        return tool

    return decorate if func is None else decorate(func)


async def invoke_function_tool(
    tool: FunctionTool, ctx: ToolContext[Any], arguments: str, *, default_timeout_seconds: float | None = None
) -> Any:
    """Runs one call of a tool within its time and returns what the model is told.

    Raises:
        ToolTimeoutError: It took too long and its `timeout_behavior` is `"raise_exception"`.
        ModelBehaviorError: The arguments do not fit and the tool has no failure function.
        UserError: The tool raised, with that as its cause, and has no failure function.
        asyncio.CancelledError: The task that awaits this was cancelled.
    """
    seconds = default_timeout_seconds if tool.timeout_seconds is None else tool.timeout_seconds
    try:
        return await _invoke_within(seconds, tool, ctx, arguments)
    except AgentsException:
        raise
    except asyncio.CancelledError as error:
        if _is_being_cancelled():
            raise
        raise UserError(f"Error running tool {tool.name}: the tool cancelled itself.") from error
    except Exception as error:
        raise UserError(f"Error running tool {tool.name}: {_message(error)}") from error


async def _invoke_within(seconds: float | None, tool: FunctionTool, ctx: ToolContext[Any], arguments: str) -> Any:
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            result = await tool.on_invoke_tool(ctx, arguments)
    except Exception:
        if not scope.expired():  # a TimeoutError of the tool's own is a failure like any other
            raise
    else:
        if not scope.expired():  # a tool that stops late may still return; it was told that its time is over
            return result
    error = ToolTimeoutError(tool.name, cast(float, seconds))
    if tool.timeout_behavior == "raise_exception":
        raise error
    if tool.timeout_error_function is None:
        return str(error)
    return await _awaited(tool.timeout_error_function(ctx, error))


def _invoker(
    function: ToolFunction, schema: FunctionSchema, on_failure: ToolErrorFunction | None
) -> Callable[[ToolContext[Any], str], Awaitable[Any]]:
    async def on_invoke_tool(ctx: ToolContext[Any], arguments: str) -> Any:
        try:
            positional, keywords = schema.bind(arguments)
            if schema.takes_context:
                positional.insert(0, ctx)
            if _is_async(function):
                return await function(*positional, **keywords)
            return await _awaited(await asyncio.to_thread(_call, function, positional, keywords))
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            failure: Exception = ToolCancelledError("the tool cancelled itself.")
        except Exception as error:  # noqa: BLE001  whatever a tool's code raises is the outcome of the call
            failure = error
        logger.debug("Tool %s failed with %s", schema.name, type(failure).__name__, exc_info=failure)
        if on_failure is None:
            raise failure
        return await _awaited(on_failure(ctx, failure))

    return on_invoke_tool


def _call(function: ToolFunction, positional: list[Any], keywords: dict[str, Any]) -> Any:
    """Calls a sync function in its thread."""
    try:
        return function(*positional, **keywords)
    except StopIteration as error:  # no future can carry it: the caller would wait forever
        raise RuntimeError("the tool raised StopIteration") from error


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _is_async(function: ToolFunction) -> bool:
    of_class = getattr(type(function), "__call__", None)  # noqa: B004  an object is async as its class says
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(of_class)


def _is_being_cancelled() -> bool:
    """Whether this task was told to stop, as against a CancelledError that the tool's code raised itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  user code may raise anything from __str__
        return describe_exception(error)["message"]


def _check_fields(tool: FunctionTool) -> None:
    name, seconds = cast(Any, tool.name), cast(Any, tool.timeout_seconds)
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise UserError(f"A tool's name is {name!r}. Give it one of letters, digits, underscores and dashes.")
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    in_range = seconds is None or not is_number or (math.isfinite(seconds) and seconds > 0)
    rules: dict[str, Any] = {"is_enabled": tool.is_enabled, "needs_approval": tool.needs_approval}
    formats = tool.timeout_error_function is None or callable(tool.timeout_error_function)
    for field, kind, fits, wanted in (
        *((one, TypeError, callable(it) or isinstance(it, bool), "a bool or a function") for one, it in rules.items()),
        ("timeout_error_function", TypeError, formats, "a function or None"),
        ("timeout_seconds", TypeError, seconds is None or is_number, "a positive number of seconds or None"),
        ("timeout_seconds", ValueError, in_range, "a positive, finite number of seconds or None"),
        ("timeout_behavior", ValueError, tool.timeout_behavior in _BEHAVIORS, f"one of {_BEHAVIORS}"),
        ("effect", ValueError, tool.effect in _EFFECTS, f"one of {_EFFECTS}"),
    ):
        if not fits:
            raise kind(f"Tool {name!r} has {field}={getattr(tool, field)!r}. Give {wanted}.")
