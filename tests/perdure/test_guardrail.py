"""Guardrails of a run's input and output."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.errors import UserError
from perdure.guardrail import (
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailResult,
    OutputGuardrail,
    OutputGuardrailResult,
    input_guardrail,
    output_guardrail,
)

AGENT: Agent[Any] = Agent(name="Support")
CONTEXT = RunContextWrapper("shop")


def polite(context: Any, agent: Any, judged: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput((context.context, agent.name, judged), tripwire_triggered=False)


async def impolite(context: Any, agent: Any, judged: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(judged, tripwire_triggered=True)


async def test_an_input_guardrail_judges_context_agent_and_input() -> None:
    guardrail = InputGuardrail(polite)
    result = await guardrail.run(AGENT, "hi", CONTEXT)
    assert result == InputGuardrailResult(guardrail, GuardrailFunctionOutput(("shop", "Support", "hi"), False))


async def test_an_output_guardrail_judges_context_agent_and_output() -> None:
    guardrail = OutputGuardrail(polite)
    result = await guardrail.run(CONTEXT, AGENT, 5)
    said = GuardrailFunctionOutput(("shop", "Support", 5), False)
    assert result == OutputGuardrailResult(guardrail, 5, AGENT, said)


@pytest.mark.parametrize("function", [impolite, partial(impolite)])
async def test_a_guardrails_function_may_be_async(function: Any) -> None:
    assert (await InputGuardrail(function).run(AGENT, "hi", CONTEXT)).output.tripwire_triggered
    assert (await OutputGuardrail(function).run(CONTEXT, AGENT, "hi")).output.tripwire_triggered


def test_a_guardrail_runs_beside_the_model_unless_it_says_no() -> None:
    assert InputGuardrail(polite).run_in_parallel
    assert not input_guardrail(run_in_parallel=False)(polite).run_in_parallel


@pytest.mark.parametrize("kind", [InputGuardrail, OutputGuardrail])
def test_a_guardrail_is_called_by_its_name_or_its_functions(kind: type[Any]) -> None:
    assert kind(polite).get_name() == "polite"
    assert kind(polite, name="manners").get_name() == "manners"
    assert kind(partial(polite)).get_name() == "partial"


@pytest.mark.parametrize(("decorate", "kind"), [(input_guardrail, InputGuardrail), (output_guardrail, OutputGuardrail)])
def test_a_decorator_makes_a_guardrail_with_or_without_options(decorate: Any, kind: type[Any]) -> None:
    assert decorate(polite) == kind(polite, name="polite")
    assert decorate(name="manners")(polite) == kind(polite, name="manners")


@pytest.mark.parametrize("function", [5, None])
async def test_a_guardrail_without_function_is_a_user_error(function: Any) -> None:
    with pytest.raises(UserError, match=f"must be callable, got {function}"):
        await InputGuardrail(function).run(AGENT, "hi", CONTEXT)
    with pytest.raises(UserError, match=f"must be callable, got {function}"):
        await OutputGuardrail(function).run(CONTEXT, AGENT, "hi")


async def test_a_guardrail_that_says_something_else_is_told_what_it_said() -> None:
    expected = "'manners' returned True, a bool. Return a GuardrailFunctionOutput."
    with pytest.raises(UserError, match=expected):
        await InputGuardrail(lambda *_: True, name="manners").run(AGENT, "hi", CONTEXT)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=expected):
        await OutputGuardrail(lambda *_: True, name="manners").run(CONTEXT, AGENT, "hi")  # type: ignore[arg-type]


async def test_what_a_guardrail_raises_is_raised() -> None:
    def broken(*_: Any) -> GuardrailFunctionOutput:
        raise KeyError("policy")

    with pytest.raises(KeyError, match="policy"):
        await InputGuardrail(broken).run(AGENT, "hi", CONTEXT)
