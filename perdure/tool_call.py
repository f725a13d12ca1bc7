"""One call of a function tool: its function in its time, and what becomes of what it raises."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from perdure.context import RunContextWrapper, ToolContext
from perdure.errors import AgentsException, ToolTimeoutError, UserError, describe_exception
from perdure.tool_errors import ToolErrorFormatterArgs, formatted
from perdure.tool_schema import FunctionSchema

if TYPE_CHECKING:
    from perdure.tool import FunctionTool

ToolFunction: TypeAlias = Callable[..., Any]
ToolErrorFunction: TypeAlias = Callable[[RunContextWrapper[Any], Exception], str | Awaitable[str]]

logger = logging.getLogger(__name__)


class ToolCancelledError(Exception):
    """What a failure function is given where the tool's own code raised `asyncio.CancelledError`."""


def default_tool_error_function(ctx: RunContextWrapper[Any], error: Exception) -> str:
    """The text that a model gets for a tool that failed, unless the tool has a failure function of its own."""
    return f"An error occurred while running the tool. Please try again. Error: {_message(error)}"


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
    error = ctx.raised = ToolTimeoutError(tool.name, cast(float, seconds))
    if tool.timeout_behavior == "raise_exception":
        raise error
    if tool.timeout_error_function is None:
        return str(error)
    return await _awaited(tool.timeout_error_function(ctx, error))


def make_invoker(
    function: ToolFunction, schema: FunctionSchema, on_failure: ToolErrorFunction | None
) -> Callable[[ToolContext[Any], str], Awaitable[Any]]:
    """The `on_invoke_tool` of a function: reads its arguments, calls it and answers what it raises."""

    async def on_invoke_tool(ctx: ToolContext[Any], arguments: str) -> Any:
        try:
            positional, keywords = schema.bind(arguments)
            if schema.takes_context:
                positional.insert(0, ctx)
            if is_async(function):
                return await function(*positional, **keywords)
            return await _awaited(await _in_thread(ctx, lambda: _call(function, positional, keywords)))
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            failure: Exception = ToolCancelledError("the tool cancelled itself.")
        except Exception as error:  # noqa: BLE001  whatever a tool's code raises is the outcome of the call
            failure = error
        return await answer_failure(schema.name, on_failure, ctx, failure)

    return on_invoke_tool


async def answer_failure(
    tool_name: str, on_failure: ToolErrorFunction | None, ctx: RunContextWrapper[Any], failure: Exception
) -> Any:
    """What the model is told of a failure; without a failure function, or words of it, it is raised."""
    logger.debug("Tool %s failed with %s", tool_name, type(failure).__name__, exc_info=failure)
    if isinstance(ctx, ToolContext):
        ctx.raised = failure
    said = None if on_failure is None else await _awaited(on_failure(ctx, failure))
    if said is None:
        raise failure
    if on_failure is not default_tool_error_function or not isinstance(ctx, ToolContext):
        return said
    return await _in_words_of_the_run(ctx, failure, said)


async def _in_words_of_the_run(ctx: ToolContext[Any], failure: Exception, default: str) -> str:
    formatter = None if ctx.run_config is None else ctx.run_config.tool_error_formatter
    if formatter is None:
        return default
    arguments = ToolErrorFormatterArgs(
        "tool_exception", "function", ctx.tool_name, ctx.tool_call_id, default, ctx, failure
    )
    said = await formatted(formatter, arguments, ctx.run_id)
    return default if said is None else said


async def _in_thread(ctx: ToolContext[Any], call: Callable[[], Any]) -> Any:
    """Calls a sync function in a thread, which nothing can stop; what it does after it was told to is reported."""
    stopped = threading.Event()

    def work() -> Any:
        try:
            result = call()
        except Exception as error:
            if stopped.is_set():
                logger.warning("run %s: %s went on after it was told to stop: %r", ctx.run_id, ctx.tool_name, error)
            raise
        if stopped.is_set():
            logger.warning("run %s: %s went on after it was told to stop, and is done", ctx.run_id, ctx.tool_name)
            if ctx.on_late is not None:
                ctx.on_late(result)
        return result

    try:
        return await asyncio.to_thread(work)
    except asyncio.CancelledError:
        stopped.set()
        raise


def _call(function: ToolFunction, positional: list[Any], keywords: dict[str, Any]) -> Any:
    """Calls a sync function in its thread."""
    try:
        return function(*positional, **keywords)
    except StopIteration as error:  # no future can carry it: the caller would wait forever
        raise RuntimeError("the tool raised StopIteration") from error


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def is_async(function: ToolFunction) -> bool:
    """Whether calling the function gives something to await."""
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
