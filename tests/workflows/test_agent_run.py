"""The run loop on the real server: turns, tools, results, errors."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from pydantic import BaseModel

from perdure import (
    Agent,
    GuardrailFunctionOutput,
    MaxTurnsExceeded,
    MessageOutputItem,
    ModelBehaviorError,
    ModelRefusalError,
    ModelSettings,
    RunConfig,
    RunContextWrapper,
    Runner,
    ToolApprovalItem,
    ToolCallItem,
    ToolCallOutputItem,
    ToolContext,
    UserError,
    function_tool,
    output_guardrail,
)
from perdure.testing import ScriptedModel, tool_call
from tests.agents import add, refund, refund_call, scripted


def outputs(result: Any) -> list[Any]:
    return [item.output for item in result.new_items if isinstance(item, ToolCallOutputItem)]


async def test_a_run_without_tools_gives_the_message_s_text() -> None:
    result = await Runner.run(scripted("hello"), "hi")
    assert result.final_output == "hello"
    assert result.to_input_list()[0] == {"content": "hi", "role": "user"}
    assert [type(item) for item in result.new_items] == [MessageOutputItem]
    assert result.last_agent.name == "Scripted"


async def test_tools_run_in_parallel_and_answer_in_call_order() -> None:
    running: list[str] = []

    @function_tool
    async def nap(name: str, seconds: float) -> str:
        """Sleep."""
        running.append(name)
        await asyncio.sleep(seconds)
        assert len(running) == 2, "the other call had not started"
        return name

    calls = [tool_call("nap", {"name": "a", "seconds": 0.4}), tool_call("nap", {"name": "b", "seconds": 0.2})]
    result = await Runner.run(scripted(calls, "done", tools=[nap]), "go")
    assert outputs(result) == ["a", "b"]


async def test_usage_is_summed_and_the_turns_responses_are_kept() -> None:
    result = await Runner.run(scripted(tool_call("add", {"a": 1, "b": 2}), "3"), "1 + 2?")
    usage = result.context_wrapper.usage
    assert (usage.requests, usage.input_tokens, usage.output_tokens, usage.total_tokens) == (2, 20, 10, 30)
    assert [response.response_id for response in result.raw_responses] == ["resp_0", "resp_1"]
    assert result.raw_responses[0].output[0].name == "add"
    assert result.last_response_id == "resp_1"


async def test_a_value_of_a_tool_reaches_the_model_as_json_and_the_caller_as_value() -> None:
    @function_tool
    def look(name: str) -> dict[str, Any]:
        """Look something up."""
        return {"name": name, "tags": ["a", "ü"], "none": None}

    agent = scripted(tool_call("look", {"name": "x"}), "done", tools=[look])
    result = await Runner.run(agent, "look")
    assert outputs(result) == [{"name": "x", "tags": ["a", "ü"], "none": None}]
    assert result.to_input_list()[2]["output"] == '{"name":"x","tags":["a","ü"],"none":null}'


async def test_python_s_own_text_of_a_value_on_request() -> None:
    @function_tool
    def look() -> dict[str, int]:
        """Look."""
        return {"a": 1}

    config = RunConfig(tool_output_format="str")
    result = await Runner.run(scripted(tool_call("look", {}), "done", tools=[look]), "look", run_config=config)
    assert outputs(result) == ["{'a': 1}"]


async def test_the_run_stops_at_its_turn_limit_with_what_it_had() -> None:
    agent = scripted(*[tool_call("add", {"a": n, "b": 1}) for n in range(3)])
    with pytest.raises(MaxTurnsExceeded, match=r"Max turns \(2\) exceeded") as stopped:
        await Runner.run(agent, "count", max_turns=2)
    data = stopped.value.run_data
    assert data is not None
    assert [item.output for item in data.new_items if isinstance(item, ToolCallOutputItem)] == [1, 2]
    assert len(data.raw_responses) == 2


async def test_an_unknown_tool_ends_the_run_and_leaves_no_trace_of_that_turn() -> None:
    with pytest.raises(ModelBehaviorError, match="Tool fly not found in agent Scripted") as stopped:
        await Runner.run(scripted([tool_call("fly", {}), tool_call("add", {"a": 1, "b": 1})]), "fly")
    assert stopped.value.run_data is not None
    assert stopped.value.run_data.new_items == []


async def test_a_refusal_is_an_error_of_its_own() -> None:
    refusal = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
    refusal["content"] = [{"type": "refusal", "refusal": "no way"}]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ModelRefusalError, match="Model refused to produce output: no way"):
        await Runner.run(scripted(refusal), "do it")


async def test_what_a_tool_raises_goes_to_the_model() -> None:
    @function_tool
    async def fail() -> str:
        """Fail."""
        raise RuntimeError("out of order")

    result = await Runner.run(scripted(tool_call("fail", {}), "sorry", tools=[fail]), "go")
    assert "Error: out of order" in outputs(result)[0]


async def test_a_tool_without_failure_function_ends_the_run_with_its_cause() -> None:
    class OwnError(Exception):
        pass

    @function_tool(failure_error_function=None)
    async def fail() -> str:
        """Fail."""
        raise OwnError("out of order")

    with pytest.raises(UserError, match="Error running tool fail: out of order") as stopped:
        await Runner.run(scripted(tool_call("fail", {}), tools=[fail]), "go")
    assert isinstance(stopped.value.__cause__, OwnError)


async def test_an_exception_of_the_user_s_own_is_the_same_object() -> None:
    raised = LookupError("no such model")
    with pytest.raises(LookupError) as stopped:
        await Runner.run(scripted(raised), "go")
    assert stopped.value is raised


async def test_a_tool_that_hangs_is_timed_out_and_told_so() -> None:
    @function_tool(timeout=0.2)
    async def hang() -> str:
        """Hang."""
        await asyncio.sleep(60)
        return ""

    result = await Runner.run(scripted(tool_call("hang", {}), "ok", tools=[hang]), "go")
    assert outputs(result) == ["Tool 'hang' timed out after 0.2 seconds."]


async def test_a_tool_that_blocks_its_loop_runs_once() -> None:
    runs: list[float] = []

    @function_tool
    async def block() -> str:
        """Block the loop for longer than a silent attempt is given up."""
        runs.append(time.monotonic())
        time.sleep(5)  # noqa: ASYNC251  that it blocks is the point
        return "done"

    result = await Runner.run(scripted(tool_call("block", {}), "ok", tools=[block]), "go")
    assert (outputs(result), len(runs)) == (["done"], 1)


async def test_what_is_not_json_reaches_the_model_as_its_text() -> None:
    @function_tool
    def odd() -> object:
        """Return what cannot travel."""
        return object()

    result = await Runner.run(scripted(tool_call("odd", {}), "ok", tools=[odd]), "go")
    assert outputs(result)[0].startswith("<object object at")


class Weather(BaseModel):
    degrees: int


async def test_what_a_tool_made_of_the_output_type_is_an_object_of_it() -> None:
    judged: list[Any] = []

    @function_tool
    def measure() -> Weather:
        """Measure."""
        return Weather(degrees=3)

    @output_guardrail
    def judge(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
        judged.append(output)
        return GuardrailFunctionOutput(None, tripwire_triggered=False)

    agent = scripted(
        tool_call("measure", {}),
        tools=[measure],
        tool_use_behavior="stop_on_first_tool",
        output_type=Weather,
        output_guardrails=[judge],
    )
    result = await Runner.run(agent, "go")
    assert [result.final_output, *judged] == [Weather(degrees=3)] * 2


@pytest.mark.parametrize(
    "arguments", ["{", "[1]", '{"a": 1}', '{"a": "x", "b": 1}', '{"a": 1, "b": ' + "9" * 5000 + "}"]
)
async def test_arguments_that_do_not_fit_go_back_to_the_model(arguments: str) -> None:
    result = await Runner.run(scripted(tool_call("add", arguments), "sorry"), "go")
    assert "Error" in outputs(result)[0]
    assert result.final_output == "sorry"


async def test_a_tool_s_context_has_the_call_and_the_usage_so_far() -> None:
    seen: list[ToolContext[Any]] = []

    @function_tool
    async def look(ctx: ToolContext[Any]) -> str:
        """Look."""
        seen.append(ctx)
        return "ok"

    result = await Runner.run(scripted(tool_call("look", {}, "call_x"), "done", tools=[look]), "go")
    context = seen[0]
    assert (context.tool_name, context.tool_call_id, context.tool_arguments) == ("look", "call_x", "{}")
    assert (context.usage.requests, context.usage.input_tokens) == (1, 10)
    assert (context.attempt, context.run_id) == (1, result.run_id)
    assert context.idempotency_key.startswith(f"{result.run_id}/")
    assert context.agent is not None
    assert context.agent.name == "Scripted"


async def test_approval_by_rule_asks_the_rule_with_the_arguments() -> None:
    async def large(ctx: RunContextWrapper[Any], arguments: dict[str, Any], call_id: str) -> bool:
        return arguments["amount"] > 10

    @function_tool(needs_approval=large)
    async def pay(amount: float) -> str:
        """Pay."""
        return f"paid {amount:g}"

    calls = [tool_call("pay", {"amount": 5}), tool_call("pay", {"amount": 50}), tool_call("pay", "{")]
    agent = scripted(calls, "done", tools=[pay])
    paused = await Runner.run(agent, "pay")
    assert [item.arguments for item in paused.interruptions] == ['{"amount": 50}', "{"]
    state = paused.to_state()
    for item in paused.interruptions:
        state.approve(item)
    assert outputs(await Runner.run(agent, state))[:2] == ["paid 5", "paid 50"]


async def test_a_rule_that_raises_ends_the_run() -> None:
    def rule(ctx: RunContextWrapper[Any], arguments: dict[str, Any], call_id: str) -> bool:
        raise LookupError("no rule today")

    @function_tool(needs_approval=rule)
    async def pay() -> str:
        """Pay."""
        return "paid"

    with pytest.raises(UserError, match="Error running tool pay: no rule today") as raised:
        await Runner.run(scripted(tool_call("pay", {}), tools=[pay]), "pay")
    assert isinstance(raised.value.__cause__, LookupError)


async def test_the_pause_has_finished_siblings_and_the_waiting_calls_in_their_places() -> None:
    agent = scripted([refund_call("7"), tool_call("add", {"a": 1, "b": 2}), refund_call("8")], "done")
    paused = await Runner.run(agent, "please")
    assert paused.final_output is None
    kinds = [ToolCallItem, ToolCallItem, ToolCallItem, ToolApprovalItem, ToolCallOutputItem, ToolApprovalItem]
    assert [type(item) for item in paused.new_items] == kinds
    assert [each.get("type") for each in paused.to_input_list()[1:]] == ["function_call"] * 3 + ["function_call_output"]
    same = await Runner.run(agent, paused.to_state())
    assert [item.id for item in same.interruptions] == ["1.0", "1.2"]
    state = paused.to_state()
    state.approve(paused.interruptions[0])
    state.reject(paused.interruptions[0], rejection_message="changed my mind")
    partly = await Runner.run(agent, state)
    assert [item.id for item in partly.interruptions] == ["1.2"]
    rest = partly.to_state()
    rest.approve(partly.interruptions[0])
    done = await Runner.run(agent, rest)
    assert outputs(done) == ["changed my mind", 3, "refunded 40 for 8"]
    assert len(paused.new_items) == len(kinds), "an earlier result has grown"


async def test_an_approval_that_nobody_gives_in_time_counts_as_rejected() -> None:
    config = RunConfig(approval_timeout_seconds=1)
    run = await Runner.start(scripted(refund_call(), "then not"), "please", run_config=config)
    result = await run.result()
    assert outputs(result) == ["Nobody decided about this call within 1 seconds."]


async def test_instructions_and_tools_may_depend_on_the_context_on_each_turn() -> None:
    def instructions(ctx: RunContextWrapper[Any], agent: Agent[Any]) -> str:
        return f"Turn {ctx.usage.requests + 1} for {ctx.context['name']}"

    async def never(ctx: RunContextWrapper[Any], agent: Any) -> bool:
        return False

    @function_tool(is_enabled=never)
    def hidden() -> str:
        """Hidden."""
        return ""

    model = ScriptedModel([tool_call("add", {"a": 1, "b": 2}), "done"])
    agent = Agent(name="Dynamic", instructions=instructions, model=model, tools=[add, hidden])
    await Runner.run(agent, "go", context={"name": "ana"})
    assert [request.instructions for request in model.requests] == ["Turn 1 for ana", "Turn 2 for ana"]
    assert [request.tools for request in model.requests] == [["add"], ["add"]]


async def test_a_forced_tool_choice_is_forgotten_once_a_tool_was_used() -> None:
    model = ScriptedModel([tool_call("add", {"a": 1, "b": 2}), "done"])
    agent = Agent(name="Forced", model=model, tools=[add], model_settings=ModelSettings(tool_choice="required"))
    await Runner.run(agent, "go")
    assert [request.settings.tool_choice for request in model.requests] == ["required", None]


async def test_a_run_is_not_changed_by_what_is_done_to_its_agent_meanwhile() -> None:
    model = ScriptedModel([refund_call(), "done"])
    agent = Agent(name="Fixed", instructions="as it was", model=model, tools=[refund])
    paused = await Runner.run(agent, "go")
    agent.instructions = "changed"
    state = paused.to_state()
    state.approve(paused.interruptions[0])
    await Runner.run(agent, state)
    assert [request.instructions for request in model.requests] == ["as it was", "as it was"]


async def test_what_tools_change_in_the_context_is_seen_by_later_tools_and_the_caller() -> None:
    @function_tool
    async def note(ctx: RunContextWrapper[dict[str, Any]], word: str) -> str:
        """Note a word."""
        ctx.context["words"] = [*ctx.context.get("words", []), word]
        return ",".join(ctx.context["words"])

    context: dict[str, Any] = {"words": ["zero"]}
    agent = scripted(tool_call("note", {"word": "one"}), tool_call("note", {"word": "two"}), "done", tools=[note])
    result = await Runner.run(agent, "go", context=context)
    assert outputs(result) == ["zero,one", "zero,one,two"]
    assert context["words"] == ["zero", "one", "two"]
    assert result.context_wrapper.context is context


async def test_whatever_a_tool_raises_is_never_tried_again() -> None:
    class Unusual(BaseException):
        pass

    raised = Unusual("no Exception")
    attempts: list[int] = []

    @function_tool
    async def odd() -> str:
        """Raise what is no Exception."""
        attempts.append(1)
        raise raised

    with pytest.raises(Unusual) as stopped:
        await Runner.run(scripted(tool_call("odd", {}), tools=[odd]), "go")
    assert (stopped.value, len(attempts)) == (raised, 1)
