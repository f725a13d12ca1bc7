"""Functions that turn an error which would end a run into its final output."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, cast

from typing_extensions import TypedDict

from perdure.context import RunContextWrapper, TContext
from perdure.errors import MaxTurnsExceeded, ModelBehaviorError, ModelRefusalError, UserError

if TYPE_CHECKING:
    from perdure.agent import Agent
    from perdure.items import RunItem, TResponseInputItem
    from perdure.model import ModelResponse


@dataclass
class RunErrorData:
    """How far the run had come.

    Attributes:
        input: What the run was given.
        new_items: What it said and did.
        history: Input and new items as input for a request.
        output: The new items as input for a request.
        raw_responses: The model's answers.
        last_agent: The agent that was active.
    """

    input: str | list[TResponseInputItem]
    new_items: list[RunItem]
    history: list[TResponseInputItem]
    output: list[TResponseInputItem]
    raw_responses: list[ModelResponse]
    last_agent: Agent[Any]


@dataclass
class RunErrorHandlerInput(Generic[TContext]):
    """What a handler is given: the error, the run's context and how far the run had come."""

    error: MaxTurnsExceeded | ModelRefusalError | ModelBehaviorError
    context: RunContextWrapper[TContext]
    run_data: RunErrorData


@dataclass
class RunErrorHandlerResult:
    """A handler's answer.

    Attributes:
        final_output: The run's output.
        include_in_history: Whether it becomes a message of the conversation.
    """

    final_output: Any
    include_in_history: bool = True


_Answer: TypeAlias = RunErrorHandlerResult | dict[str, Any] | Any | None
RunErrorHandler: TypeAlias = Callable[[RunErrorHandlerInput[TContext]], _Answer | Awaitable[_Answer]]


class RunErrorHandlers(TypedDict, Generic[TContext], total=False):
    """The handlers by kind of error.

    Attributes:
        max_turns: The run has used up its turns.
        model_refusal: The model's answer is a refusal.
        invalid_final_output: The model's answer is not of the agent's output type.
    """

    max_turns: RunErrorHandler[TContext]
    model_refusal: RunErrorHandler[TContext]
    invalid_final_output: RunErrorHandler[TContext]


_KINDS = ("max_turns", "model_refusal", "invalid_final_output")
_RESULT_KEYS = {"final_output", "include_in_history"}


def validate_error_handlers(handlers: Any) -> None:
    """Refuses what cannot be a run's `error_handlers`; `None`, also in place of a handler, means none.

    Raises:
        UserError: It is no mapping of known kinds to functions.
    """
    if handlers is None:
        return
    if not isinstance(handlers, Mapping):
        raise UserError(f"error_handlers is {handlers!r:.100}; give a dict of {', '.join(_KINDS)}.")
    for kind, handler in cast("Mapping[Any, Any]", handlers).items():
        if kind not in _KINDS:
            raise UserError(f"error_handlers names {kind!r}, which is no kind of error; there are {', '.join(_KINDS)}.")
        if handler is not None and not callable(handler):
            raise UserError(f"The error handler for {kind!r} is {handler!r:.100}; give a function or None.")


async def ask_error_handler(
    handler: RunErrorHandler[Any], input: RunErrorHandlerInput[Any]
) -> RunErrorHandlerResult | None:
    """Asks a handler about an error.

    Returns:
        Its answer, or `None` if it declines: the error then ends the run. A dict with the key `final_output` is an
        answer in full, any other value is the final output itself.

    Raises:
        UserError: The dict has other keys besides those of an answer, or a value that is none.
    """
    said = handler(input)
    answer: Any = await said if inspect.isawaitable(said) else said
    if answer is None or isinstance(answer, RunErrorHandlerResult):
        return answer
    if not (isinstance(answer, Mapping) and "final_output" in answer):
        return RunErrorHandlerResult(answer)
    fields = cast("Mapping[str, Any]", answer)
    if not fields.keys() <= _RESULT_KEYS or not isinstance(fields.get("include_in_history", True), bool):
        raise UserError("Invalid run error handler result.")
    return RunErrorHandlerResult(**fields)
