"""Guardrails of a tool's arguments and output."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.agent import Agent
from perdure.context import ToolContext
from perdure.errors import UserError
from perdure.tool_guardrails import (
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    ToolInputGuardrailData,
    ToolInputGuardrailResult,
    ToolOutputGuardrail,
    ToolOutputGuardrailData,
    ToolOutputGuardrailResult,
    tool_input_guardrail,
    tool_output_guardrail,
)

AGENT: Agent[Any] = Agent(name="Support")
CONTEXT = ToolContext("shop", tool_name="refund", tool_call_id="c1", tool_arguments='{"amount": 5}')
INPUT = ToolInputGuardrailData(CONTEXT, AGENT)
OUTPUT = ToolOutputGuardrailData(CONTEXT, AGENT, "paid")


def judge(data: Any) -> ToolGuardrailFunctionOutput:
    return ToolGuardrailFunctionOutput.reject_content("no", (data.context.tool_name, getattr(data, "output", None)))


async def judge_later(data: Any) -> ToolGuardrailFunctionOutput:
    return judge(data)


@pytest.mark.parametrize(
    ("said", "behavior"),
    [
        (ToolGuardrailFunctionOutput.allow(3), {"type": "allow"}),
        (ToolGuardrailFunctionOutput.reject_content("no", 3), {"type": "reject_content", "message": "no"}),
        (ToolGuardrailFunctionOutput.raise_exception(3), {"type": "raise_exception"}),
        (ToolGuardrailFunctionOutput(3), {"type": "allow"}),
    ],
)
def test_what_follows_a_judgement_is_its_behavior(said: ToolGuardrailFunctionOutput, behavior: dict[str, Any]) -> None:
    assert (said.output_info, said.behavior) == (3, behavior)


@pytest.mark.parametrize("function", [judge, judge_later])
async def test_a_guardrails_function_may_be_sync_or_async(function: Any) -> None:
    rejected = ToolGuardrailFunctionOutput.reject_content
    assert await ToolInputGuardrail(function).run(INPUT) == rejected("no", ("refund", None))
    assert await ToolOutputGuardrail(function).run(OUTPUT) == rejected("no", ("refund", "paid"))


@pytest.mark.parametrize(
    ("decorate", "kind"), [(tool_input_guardrail, ToolInputGuardrail), (tool_output_guardrail, ToolOutputGuardrail)]
)
def test_a_decorator_makes_a_guardrail_called_by_its_name_or_its_functions(decorate: Any, kind: type[Any]) -> None:
    assert decorate(judge) == kind(judge, name="judge")
    assert decorate(name="limit")(judge).get_name() == "limit"
    assert kind(judge).get_name() == "judge"


@pytest.mark.parametrize(("kind", "data"), [(ToolInputGuardrail, INPUT), (ToolOutputGuardrail, OUTPUT)])
async def test_a_guardrail_that_cannot_judge_is_a_user_error(kind: type[Any], data: Any) -> None:
    with pytest.raises(UserError, match="must be callable, got 5"):
        await kind(5).run(data)
    with pytest.raises(UserError, match=r"'limit' returned None, a NoneType\. Return a ToolGuardrailFunctionOutput"):
        await kind(lambda _: None, name="limit").run(data)


def test_results_say_which_guardrail_said_what() -> None:
    said = ToolGuardrailFunctionOutput.allow()
    before, after = ToolInputGuardrail[Any](judge), ToolOutputGuardrail[Any](judge)
    assert ToolInputGuardrailResult(guardrail=before, output=said).guardrail is before
    assert ToolOutputGuardrailResult(guardrail=after, output=said).guardrail is after
