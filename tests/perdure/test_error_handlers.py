"""Functions that make a final output of an error."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.error_handlers import (
    RunErrorData,
    RunErrorHandlerInput,
    RunErrorHandlerResult,
    ask_error_handler,
    validate_error_handlers,
)
from perdure.errors import MaxTurnsExceeded, UserError

INPUT = RunErrorHandlerInput[Any](
    MaxTurnsExceeded("Max turns (1) exceeded"),
    RunContextWrapper(None),
    RunErrorData("hi", [], [], [], [], Agent("Clerk")),
)


async def ask(answer: Any) -> RunErrorHandlerResult | None:
    return await ask_error_handler(lambda _: answer, INPUT)


async def test_a_handler_is_given_the_error_and_how_far_the_run_had_come() -> None:
    def tell(given: RunErrorHandlerInput[Any]) -> str:
        return f"{given.error}; {given.run_data.input}; {given.run_data.last_agent.name}"

    assert await ask_error_handler(tell, INPUT) == RunErrorHandlerResult("Max turns (1) exceeded; hi; Clerk")


async def test_a_handler_may_be_async() -> None:
    async def late(given: RunErrorHandlerInput[Any]) -> str:
        return "late"

    assert await ask_error_handler(late, INPUT) == RunErrorHandlerResult("late")


async def test_a_result_object_is_the_answer() -> None:
    answer = RunErrorHandlerResult("x", include_in_history=False)

    assert await ask(answer) is answer


async def test_a_dict_of_a_result_is_the_answer() -> None:
    assert await ask({"final_output": "x"}) == RunErrorHandlerResult("x")
    assert await ask({"final_output": "x", "include_in_history": False}) == RunErrorHandlerResult("x", False)


async def test_none_declines() -> None:
    assert await ask(None) is None


@pytest.mark.parametrize("value", ["raw", 5, False, "", [], {}, {"a": 1}, {"include_in_history": False}], ids=str)
async def test_any_other_value_is_the_final_output(value: Any) -> None:
    assert await ask(value) == RunErrorHandlerResult(value)


@pytest.mark.parametrize(
    "answer", [{"final_output": 1, "more": 2}, {"final_output": 1, "include_in_history": "no"}], ids=str
)
async def test_a_dict_of_a_result_with_something_else_is_refused(answer: Any) -> None:
    with pytest.raises(UserError) as caught:
        await ask(answer)

    assert str(caught.value) == "Invalid run error handler result."


@pytest.mark.parametrize("handlers", [None, {}, {"max_turns": print, "model_refusal": None}], ids=str)
def test_handlers_are_functions_by_kind(handlers: Any) -> None:
    assert validate_error_handlers(handlers) is None


@pytest.mark.parametrize(
    ("handlers", "said"),
    [
        (5, "error_handlers is 5"),
        ({"max_turn": print}, "names 'max_turn', which is no kind of error"),
        ({"max_turns": 5}, "The error handler for 'max_turns' is 5"),
    ],
    ids=str,
)
def test_handlers_that_would_never_be_asked_are_refused(handlers: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        validate_error_handlers(handlers)
