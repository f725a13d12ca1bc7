"""The last word on what a model is sent: a function of the user that sees each request before it leaves."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias

from perdure.context import TContext
from perdure.errors import UserError

if TYPE_CHECKING:
    from perdure.agent import Agent


@dataclass
class ModelInputData:
    """What the model is sent: the conversation's items and the system prompt."""

    input: list[Any]
    instructions: str | None


@dataclass
class CallModelData(Generic[TContext]):
    """What a filter is given; `context` is the user's own object."""

    model_data: ModelInputData
    agent: Agent[TContext]
    context: TContext | None


CallModelInputFilter: TypeAlias = Callable[[CallModelData[Any]], ModelInputData | Awaitable[ModelInputData]]


async def filter_model_input(filter: CallModelInputFilter, data: CallModelData[Any]) -> ModelInputData:
    """What the filter, sync or async, makes of a request.

    Raises:
        UserError: It returned something else than a `ModelInputData` with a list.
    """
    filtered: Any = filter(data)
    if inspect.isawaitable(filtered):
        filtered = await filtered
    if not isinstance(filtered, ModelInputData) or not isinstance(filtered.input, list):  # pyright: ignore[reportUnnecessaryIsInstance]  user code made it
        raise UserError(
            f"call_model_input_filter returned {type(filtered).__name__}; it must return a ModelInputData "
            "whose input is a list."
        )
    return filtered
