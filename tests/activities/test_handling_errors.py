"""Error handlers are asked with how far the run had come, and their output is checked."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from temporalio.exceptions import ApplicationError

from perdure.agent import Agent
from perdure.contracts.run import PageEntry
from perdure.contracts.steps import CallUserInput, CallUserOutput, HandledError, TranscriptName
from perdure.error_handlers import RunErrorHandlerInput
from tests.activities.workbench import ToldRun, Workbench, assistant, user

ENTRIES = [
    PageEntry(item=user("start"), kind="input", agent="A", turn=0),
    PageEntry(item=assistant("so far"), kind="answer", agent="A", turn=1),
]


class City(BaseModel):
    name: str


async def handle(handler: Any, output_type: Any = None, kind: str = "max_turns") -> HandledError | None:
    agent = Agent[Any](name="A", output_type=output_type)
    bench = Workbench(agent, error_handlers={kind: handler}, run=ToldRun(ENTRIES))
    asked = CallUserInput(
        **bench.step(),
        role="error_handler",
        error="Max turns (1) exceeded",
        error_kind=kind,
        transcript=TranscriptName(count=2),
        input_is_text=True,
    )
    said: CallUserOutput = await bench.do("call.error_handler", asked)
    return said.handled


async def test_a_handler_gets_the_error_and_how_far_the_run_had_come() -> None:
    def handler(about: RunErrorHandlerInput[Any]) -> str:
        data = about.run_data
        history = [item["role"] for item in data.history]
        return f"{type(about.error).__name__}, {data.input}, {len(data.new_items)}, {history}, {data.last_agent.name}"

    handled = await handle(handler)
    assert handled is not None
    assert handled.output is not None
    assert handled.output.text == "MaxTurnsExceeded, start, 1, ['user', 'assistant'], A"
    assert handled.include_in_history


async def test_a_handler_may_decline() -> None:
    assert await handle(lambda about: None) == HandledError()


async def test_a_handlers_mapping_is_a_whole_answer() -> None:
    handled = await handle(lambda about: {"final_output": "enough", "include_in_history": False})
    assert handled is not None
    assert (handled.output.text if handled.output else "", handled.include_in_history) == ("enough", False)


async def test_a_handlers_value_is_of_the_output_type() -> None:
    handled = await handle(lambda about: {"name": "Rome"}, City)
    assert handled is not None
    assert handled.output is not None
    assert (handled.output.kind, handled.output.text) == ("typed", '{"name":"Rome"}')


async def test_a_handlers_value_of_another_type_is_the_users_error() -> None:
    with pytest.raises(ApplicationError, match="Invalid run error handler final_output for structured output"):
        await handle(lambda about: {"town": 1}, City)


async def test_a_handler_of_a_refusal_gets_the_refusal() -> None:
    handled = await handle(lambda about: about.error.refusal, kind="model_refusal")
    assert handled is not None
    assert handled.output is not None
    assert handled.output.text == "Max turns (1) exceeded"
