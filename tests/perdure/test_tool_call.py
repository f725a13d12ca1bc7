"""What becomes of one call of a function tool."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from typing import Any

import pytest

from perdure.context import RunContextWrapper, ToolContext
from perdure.errors import AgentsException, ModelBehaviorError, ToolTimeoutError, UserError
from perdure.settings import RunConfig
from perdure.tool import FunctionTool, function_tool
from perdure.tool_call import ToolCancelledError, default_tool_error_function, invoke_function_tool
from perdure.tool_errors import ToolErrorFormatterArgs

FAILED = "An error occurred while running the tool. Please try again. Error: "


def context(context_object: Any = None) -> ToolContext[Any]:
    return ToolContext(context=context_object, tool_name="t", tool_call_id="c1")


async def run(tool: FunctionTool, arguments: str = "{}", **options: Any) -> Any:
    return await invoke_function_tool(tool, context(), arguments, **options)


def handmade(invoke: Any, **fields: Any) -> FunctionTool:
    return FunctionTool("t", "", {"type": "object", "properties": {}}, invoke, **fields)


def add(a: int, b: int = 3) -> int:
    """Adds."""
    return a + b


async def slow() -> str:
    await asyncio.sleep(30)
    return "late"


async def boom() -> None:
    raise ValueError("boom")


async def cancels_itself() -> None:
    raise asyncio.CancelledError


def cancels_itself_in_its_thread() -> None:
    raise asyncio.CancelledError


async def test_arguments_are_checked_and_passed() -> None:
    assert await run(function_tool(add), '{"a": 1}') == 4


async def test_the_result_is_the_object_that_the_function_returned() -> None:
    result = object()

    assert await run(function_tool(lambda: result, name_override="give")) is result


async def test_a_function_that_asks_for_the_context_gets_the_one_of_the_call() -> None:
    async def sync_or_not(ctx: RunContextWrapper[Any], a: int) -> Any:
        return ctx

    ctx = context({"user": 7})
    tool = function_tool(sync_or_not)

    assert tool.takes_context
    assert await invoke_function_tool(tool, ctx, '{"a": 1}') is ctx
    assert not function_tool(add).takes_context


async def test_a_sync_function_runs_in_a_thread_and_sees_the_context_variables() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("seen")

    def where() -> tuple[bool, str]:
        return threading.current_thread() is threading.main_thread(), variable.get()

    assert await run(function_tool(where)) == (False, "seen")


async def test_bound_methods_and_callable_objects_can_be_tools() -> None:
    class Shop:
        async def price(self, item: str) -> str:
            return f"{item}: 3"

        async def __call__(self, item: str) -> str:
            return f"called {item}"

    assert await run(function_tool(Shop().price), '{"item": "tea"}') == "tea: 3"
    assert await run(function_tool(Shop()), '{"item": "tea"}') == "called tea"


async def test_a_sync_function_that_returns_an_awaitable_is_awaited() -> None:
    def wrapped() -> Any:
        return asyncio.sleep(0, "done")

    assert await run(function_tool(wrapped)) == "done"


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (boom, "boom"),
        (cancels_itself, "the tool cancelled itself."),
        (cancels_itself_in_its_thread, "the tool cancelled itself."),
    ],
)
async def test_what_a_tool_raises_becomes_text_for_the_model(function: Any, text: str) -> None:
    assert await run(function_tool(function)) == FAILED + text


async def test_wrong_arguments_become_text_for_the_model_and_the_function_does_not_run() -> None:
    calls: list[int] = []

    def note(a: int) -> None:
        calls.append(a)

    assert await run(function_tool(note), '{"a": "x"}') == FAILED + "Invalid JSON input for tool note: a (int_parsing)"
    assert calls == []


async def test_a_sync_function_that_raises_stop_iteration_fails_instead_of_hanging() -> None:
    def exhausted() -> Any:
        return next(iter([]))

    assert await asyncio.wait_for(run(function_tool(exhausted)), 5) == FAILED + "the tool raised StopIteration"


async def test_an_error_whose_text_cannot_be_read_still_becomes_text() -> None:
    class UnreadableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "whose text cannot be read" in default_tool_error_function(context(), UnreadableError())


async def test_a_failure_function_gets_context_and_error_and_gives_the_text() -> None:
    async def asynchronous(ctx: Any, error: Exception) -> str:
        return f"{ctx.tool_call_id} {type(error).__name__}"

    def synchronous(ctx: Any, error: Exception) -> str:
        return f"{ctx.tool_call_id} {error}"

    assert await run(function_tool(boom, failure_error_function=asynchronous)) == "c1 ValueError"
    assert await run(function_tool(boom, failure_error_function=synchronous)) == "c1 boom"
    assert await run(function_tool(cancels_itself, failure_error_function=asynchronous)) == "c1 ToolCancelledError"


async def test_without_failure_function_the_error_ends_the_run_with_the_original_as_its_cause() -> None:
    with pytest.raises(UserError, match=r"^Error running tool boom: boom$") as ended:
        await run(function_tool(boom, failure_error_function=None))

    assert isinstance(ended.value.__cause__, ValueError)


async def test_without_failure_function_errors_of_the_library_pass_unchanged() -> None:
    error = AgentsException("mine")

    async def raises() -> None:
        raise error

    with pytest.raises(AgentsException) as ended:
        await run(function_tool(raises, failure_error_function=None))
    assert ended.value is error


async def test_without_failure_function_wrong_arguments_are_the_models_fault() -> None:
    with pytest.raises(ModelBehaviorError, match=r"^Invalid JSON input for tool add: a \(missing\)$"):
        await run(function_tool(add, failure_error_function=None), "")


async def test_a_tool_that_cancels_itself_never_looks_like_a_cancelled_run() -> None:
    async def invoke(ctx: Any, arguments: str) -> None:
        raise asyncio.CancelledError

    with pytest.raises(UserError, match="cancelled itself"):
        await run(handmade(invoke))
    with pytest.raises(UserError, match="cancelled itself") as ended:
        await run(function_tool(cancels_itself, failure_error_function=None))
    assert isinstance(ended.value.__cause__, ToolCancelledError)


@pytest.mark.parametrize("seconds", [None, 20])
async def test_cancelling_the_caller_stops_the_tool_and_is_no_failure_of_it(seconds: float | None) -> None:
    call = asyncio.create_task(run(function_tool(slow, timeout=seconds)))
    await asyncio.sleep(0.01)

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_failure_function_that_raises_ends_the_run() -> None:
    def broken(ctx: Any, error: Exception) -> str:
        raise KeyError("broken")

    with pytest.raises(UserError, match="Error running tool boom: 'broken'"):
        await run(function_tool(boom, failure_error_function=broken))


async def test_a_failure_function_without_words_lets_the_error_pass() -> None:
    with pytest.raises(UserError, match="Error running tool boom: boom"):
        await run(function_tool(boom, failure_error_function=lambda context, error: None))


async def test_the_runs_formatter_words_a_failure_that_has_the_default_text() -> None:
    def words(args: ToolErrorFormatterArgs[Any]) -> str:
        return f"{args.kind} of {args.tool_name}: {args.error}"

    ctx = context()
    ctx.run_config = RunConfig(tool_error_formatter=words)
    own = function_tool(boom, failure_error_function=lambda context, error: "own words")
    assert await invoke_function_tool(function_tool(boom), ctx, "{}") == "tool_exception of t: boom"
    assert await invoke_function_tool(own, ctx, "{}") == "own words"


async def test_a_tool_that_takes_too_long_tells_the_model() -> None:
    assert await run(function_tool(slow, timeout=0.05)) == "Tool 'slow' timed out after 0.05 seconds."


async def test_a_timeout_function_gives_the_text_instead() -> None:
    async def explain(ctx: Any, error: Exception) -> str:
        return f"{ctx.tool_call_id}: {type(error).__name__}: {error}"

    tool = function_tool(slow, timeout=0.05, timeout_error_function=explain)

    assert await run(tool) == "c1: ToolTimeoutError: Tool 'slow' timed out after 0.05 seconds."


async def test_a_timeout_ends_the_run_where_the_tool_says_so() -> None:
    with pytest.raises(ToolTimeoutError) as ended:
        await run(function_tool(slow, timeout=0.05, timeout_behavior="raise_exception"))

    assert (ended.value.tool_name, ended.value.timeout_seconds) == ("slow", 0.05)


async def test_the_default_timeout_holds_only_for_tools_without_their_own() -> None:
    assert "after 0.05 seconds" in await run(function_tool(slow), default_timeout_seconds=0.05)
    assert "after 0.01 seconds" in await run(function_tool(slow, timeout=0.01), default_timeout_seconds=0.05)


async def test_the_default_timeout_answers_for_a_sync_tool_whose_thread_goes_on() -> None:
    release = threading.Event()

    def waits() -> None:
        release.wait(10)

    started = time.monotonic()
    text = await run(function_tool(waits), default_timeout_seconds=0.05)
    release.set()

    assert text == "Tool 'waits' timed out after 0.05 seconds."
    assert time.monotonic() - started < 5


async def test_a_timeout_error_of_the_tools_own_is_an_ordinary_failure() -> None:
    async def raises() -> None:
        raise TimeoutError("upstream")

    assert await run(function_tool(raises, timeout=20)) == FAILED + "upstream"
    with pytest.raises(UserError, match="Error running tool raises: upstream"):
        await run(function_tool(raises, timeout=20, failure_error_function=None))


async def test_what_a_tool_does_after_its_time_does_not_count() -> None:
    async def returns_late() -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "late"
        return "on time"

    async def fails_late() -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            raise ValueError("late") from None
        return "on time"

    for function in (returns_late, fails_late):
        tool = function_tool(function, timeout=0.05, failure_error_function=None)
        assert await run(tool) == f"Tool '{tool.name}' timed out after 0.05 seconds."
