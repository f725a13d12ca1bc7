"""What the run's own formatter is asked: words for a call that failed, was rejected or is unknown."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias

from perdure.context import RunContextWrapper, TContext

logger = logging.getLogger(__name__)


@dataclass
class ToolErrorFormatterArgs(Generic[TContext]):
    """What a formatter of tool errors is given; `default_message` is what the model is told without one."""

    kind: Literal["approval_rejected", "tool_not_found", "tool_exception"]
    tool_type: Literal["function", "computer", "shell", "apply_patch", "custom"]
    tool_name: str
    call_id: str
    default_message: str
    run_context: RunContextWrapper[TContext]
    error: Exception | None = None


ToolErrorFormatter: TypeAlias = Callable[[ToolErrorFormatterArgs[Any]], str | Awaitable[str | None] | None]


async def formatted(formatter: ToolErrorFormatter, arguments: ToolErrorFormatterArgs[Any], run_id: str) -> str | None:
    """What the formatter says; `None` where the default text holds.

    A formatter that fails is no reason to end a run, as the default text is there.
    """
    try:
        said: Any = formatter(arguments)
        said = await said if inspect.isawaitable(said) else said
    except Exception:
        logger.exception("run %s: tool_error_formatter failed for %s", run_id, arguments.tool_name)
        return None
    if said is not None and not isinstance(said, str):
        kind = type(said).__name__
        logger.error("run %s: tool_error_formatter returned %s for %s", run_id, kind, arguments.tool_name)
    return said if isinstance(said, str) else None
