"""Ways into a run from functions of the user: errors, guardrails, hooks, context, rules, filters, handlers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perdure import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    OutputGuardrail,
    RunConfig,
    RunHooks,
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    ToolOutputGuardrail,
    ToolsToFinalOutputResult,
    function_tool,
    handoff,
)
from perdure.testing import ScriptedModel, tool_call
from tests.chaos.fuzz.insiders import Babbling, Bag, Insider, agent, calling, calls, told, tool


def _raising(bag: Bag) -> Callable[..., Any]:
    def body(*_: Any) -> Any:
        raise bag.take()

    return body


def tool_errors(bag: Bag) -> Insider:
    @function_tool
    async def take() -> str:
        """Raises."""
        raise bag.take()

    return agent(calling(), take)


def tool_errors_that_end_runs(bag: Bag) -> Insider:
    return agent(calling(count=1), tool(_raising(bag)))


def worded_errors(bag: Bag) -> Insider:
    @function_tool(failure_error_function=lambda *_: bag.take())
    async def take() -> str:
        """Raises."""
        raise RuntimeError("no")

    return agent(calling(), take)


def tool_guardrails(bag: Bag) -> Insider:
    def look(_: Any) -> Any:
        match bag.taken % 3:
            case 0:
                return ToolGuardrailFunctionOutput.allow(output_info=bag.take())
            case 1:
                return ToolGuardrailFunctionOutput.reject_content(bag.take(), output_info=bag.take())
            case _:
                return ToolGuardrailFunctionOutput.allow(output_info={"deep": bag.take()})

    guarded = tool(told, tool_input_guardrails=[ToolInputGuardrail(look)])
    guarded.tool_output_guardrails = [ToolOutputGuardrail(look)]
    return agent(calling(count=2), guarded)


def tool_guardrails_answers(bag: Bag) -> Insider:
    return agent(calling(count=1), tool(told, tool_input_guardrails=[ToolInputGuardrail(lambda _: bag.take())]))


def guardrail_infos(bag: Bag) -> Insider:
    def judge(*_: Any) -> Any:
        return GuardrailFunctionOutput(output_info=bag.take(), tripwire_triggered=bag.taken % 4 == 0)

    guards: dict[str, Any] = {"input_guardrails": [InputGuardrail(judge), InputGuardrail(judge, "other")]}
    return agent(ScriptedModel(["done"]), output_guardrails=[OutputGuardrail(judge)], **guards)


def guardrail_answers(bag: Bag) -> Insider:
    def judge(*_: Any) -> Any:
        value = bag.take()
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=value) if bag.taken % 2 else value

    return agent(ScriptedModel(["done"]), input_guardrails=[InputGuardrail(judge)])


def hooks(bag: Bag) -> Insider:
    class Nosy(RunHooks[Any]):
        """Returns anything, where nothing is expected, and writes it into the context."""

        async def on_tool_start(self, context: Any, *_: Any) -> Any:
            return bag.take()

        async def on_llm_end(self, context: Any, *_: Any) -> Any:
            context.context["heard"] = bag.take()

        async def on_tool_end(self, context: Any, *_: Any) -> Any:
            return bag.take()

    return agent(calling(), tool(told), run={"hooks": Nosy(), "context": {"heard": ""}})


def hooks_that_raise(bag: Bag) -> Insider:
    class Angry(RunHooks[Any]):
        """Raises."""

        async def on_agent_start(self, *_: Any) -> None:
            raise bag.take()

    return agent(ScriptedModel(["done"]), run={"hooks": Angry()})


def context_values(bag: Bag) -> Insider:
    def body(context: Any, _: str) -> str:
        context.context["noted"] = bag.take()
        return "noted"

    return agent(calling(count=1), tool(body), run={"context": {"noted": ""}})


def context_keys(bag: Bag) -> Insider:
    def body(context: Any, _: str) -> str:
        context.context[bag.take()] = 1
        return "noted"

    return agent(calling(count=1), tool(body), run={"context": {}})


def approval_rules(bag: Bag) -> Insider:
    return agent(calling(), tool(told, needs_approval=lambda *_: bag.take()))


def instructions(bag: Bag) -> Insider:
    return agent(calling(count=1), tool(told), instructions=lambda context, agent: bag.take())


def switches(bag: Bag) -> Insider:
    return agent(calling(count=1), tool(told), tool(told, "other", is_enabled=lambda *_: bag.take()))


def chosen_outputs(bag: Bag) -> Insider:
    def choose(*_: Any) -> Any:
        value = bag.take()
        return ToolsToFinalOutputResult(is_final_output=True, final_output=value) if bag.taken % 3 else value

    return agent(calling(count=1), tool(told), tool_use_behavior=choose)


def handled_errors(bag: Bag) -> Insider:
    handlers = {"max_turns": lambda *_: bag.take()}
    return agent(calling(count=1), tool(told), run={"max_turns": 1, "error_handlers": handlers})


def input_filters(bag: Bag) -> Insider:
    other = Agent[Any](name="Other", model=ScriptedModel(["done"]))

    def filtered(data: Any) -> Any:
        value = bag.take()
        return data.clone(input_history=value) if bag.taken % 2 else value

    model = ScriptedModel([tool_call("transfer_to_other", {})])
    return agent(model, handoffs=[handoff(other, input_filter=filtered)])


def model_input_filters(bag: Bag) -> Insider:
    config = RunConfig(call_model_input_filter=lambda *_: bag.take())
    return agent(ScriptedModel(["done"]), run={"run_config": config})


def inner_agents(bag: Bag) -> Insider:
    inner = Agent[Any](name="Inner", model=ScriptedModel(["inner"]))

    async def extract(_: Any) -> Any:
        return bag.take()

    def worded(options: Any) -> Any:
        return bag.take()

    one = inner.as_tool("take", "Takes.", custom_output_extractor=extract)
    two = inner.as_tool("built", "Takes.", input_builder=worded)

    def answer(turn: int) -> Any:
        return [*calls(turn, "take", '{"input": "q"}'), *calls(turn + 1000, "built", '{"input": "q"}')]

    return agent(Babbling(answer), one, two)


TAKING_OBJECTS = (
    worded_errors, tool_guardrails, tool_guardrails_answers, guardrail_infos, guardrail_answers, hooks, context_values,
    context_keys, approval_rules, instructions, switches, chosen_outputs, handled_errors, input_filters,
    model_input_filters, inner_agents,
)  # fmt: skip  # one a line would take half a page
TAKING_ERRORS = (tool_errors, tool_errors_that_end_runs, hooks_that_raise)
