"""What a model, a tool or a stranger may say in bad faith or by accident, once found to wedge a run or its caller."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from perdure import (
    FunctionTool,
    GuardrailFunctionOutput,
    InputGuardrail,
    ModelRetrySettings,
    ModelSettings,
    Runner,
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    Usage,
    UserError,
)
from perdure.testing import ScriptedModel, tool_call
from tests.agents import scripted


def taking(body: Any, **options: Any) -> FunctionTool:
    """A tool `take` that is called with the text that the model wrote."""

    async def invoke(_: Any, arguments: str) -> Any:
        return body(arguments)

    schema = {"type": "object", "properties": {}}
    return FunctionTool("take", "Takes.", schema, invoke, strict_json_schema=False, **options)


async def test_half_a_surrogate_as_an_argument_s_name_does_not_wedge_the_run() -> None:
    agent = scripted(tool_call("take", '{"\\ud83d": 1}'), "done", tools=[taking(len)])
    assert (await Runner.run(agent, "go")).final_output == "done"


async def test_an_integer_that_python_cannot_read_back_reaches_the_caller_as_text() -> None:
    long = int("9" * 4000) * 10**400
    result = await Runner.run(scripted(tool_call("take", "{}"), "done", tools=[taking(lambda _: long)]), "go")
    [output] = [item.output for item in result.new_items if item.type == "tool_call_output_item"]
    assert output == "9" * 4000 + "0" * 400


async def passes(*_: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)


@pytest.mark.parametrize("name", ["n" * 2000, "\U0001f600" * 300])
async def test_a_name_that_is_too_long_for_an_activity_does_not_wedge_the_run(name: str) -> None:
    tool = taking(len)
    tool.name = name[:1500]
    agent = scripted(tool_call(tool.name, "{}"), "done", tools=[tool], input_guardrails=[InputGuardrail(passes, name)])
    assert (await Runner.run(agent, "go")).final_output == "done"


async def test_times_beyond_all_calendars_count_as_ten_years() -> None:
    tool = taking(len, timeout_seconds=1e300)
    settings = ModelSettings(timeout=1e300, retry=ModelRetrySettings(max_retries=10**12))
    agent = scripted(tool_call("take", "{}"), "done", tools=[tool], model_settings=settings)
    assert (await Runner.run(agent, "go")).final_output == "done"


async def test_settings_that_are_nested_too_deep_are_refused_at_the_door() -> None:
    deep: Any = {}
    for _ in range(80):
        deep = {"deeper": deep}
    with pytest.raises(UserError, match="nested more than 64 deep"):
        await Runner.start(scripted("never", model_settings=ModelSettings(extra_body=deep)), "go")


@pytest.mark.parametrize("head", [None, 7])
async def test_a_reference_to_a_blob_that_a_model_made_up_does_not_wedge_the_run(head: Any) -> None:
    reference = {"sha256": "0" * 64} | ({} if head is None else {"head": head})
    made_up = {"type": "function_call", "name": "take", "call_id": "c", "perdure_blob": reference}
    with pytest.raises(Exception, match="without a name, call id or arguments"):
        await Runner.run(scripted(made_up, tools=[taking(len, needs_approval=True)]), "go")


def rejecting(message: str) -> Any:
    return ToolInputGuardrail(lambda _: ToolGuardrailFunctionOutput.reject_content(message))


async def test_half_a_surrogate_in_what_a_guardrail_says_ends_the_run_at_once() -> None:
    tool = taking(len, tool_input_guardrails=[rejecting("\ud83d")])
    with pytest.raises(UserError, match="cannot travel"):
        await Runner.run(scripted(tool_call("take", "{}"), tools=[tool]), "go")


async def test_what_a_guardrail_says_at_length_ends_the_run_at_once() -> None:
    tool = taking(len, tool_input_guardrails=[rejecting(os.urandom(3_000_000).hex())])
    with pytest.raises(UserError, match=r"can travel\. Say less"):
        await Runner.run(scripted(tool_call("take", "{}"), tools=[tool]), "go")


class Nameless(ScriptedModel):
    """A model whose answers have an id that is no text."""

    async def get_response(self, *args: Any, **kwargs: Any) -> Any:
        return replace(await super().get_response(*args, **kwargs), response_id="\ud83d")


async def test_a_number_of_tokens_that_python_cannot_read_back_does_not_wedge_the_run() -> None:
    agent = scripted("done")
    agent.model = ScriptedModel(["done"], usage=Usage(requests=1, input_tokens=int("9" * 4000) * 10**400))
    with pytest.raises(ValidationError, match="less than 9223372036854775808"):
        await Runner.run(agent, "go")


async def test_half_a_surrogate_in_an_answer_s_id_does_not_hold_the_answer_up() -> None:
    agent = scripted("done")
    agent.model = Nameless(["done"])
    result = await Runner.run(agent, "go")
    assert result.raw_responses[0].response_id == "?"


async def test_an_item_without_a_proper_type_keeps_no_result_from_the_caller() -> None:
    agent = scripted([{"type": ["message"]}, "done"])
    assert (await Runner.run(agent, "go")).final_output == "done"
