"""A model call resolves what is dynamic, lets functions see and change it, and reads what came back."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import pytest
from openai.types.shared import Reasoning
from pydantic import BaseModel
from temporalio.exceptions import ApplicationError

from perdure.agent import Agent
from perdure.contracts.steps import STEP_DECLINED, CallModelInput, CallModelOutput
from perdure.handoff import handoff
from perdure.hooks import AgentHooks, RunHooks
from perdure.model_input import CallModelData, ModelInputData
from perdure.model_settings import MCPToolChoice, ModelSettings
from perdure.retry import ModelRetrySettings
from perdure.retry_policies import retry_policies
from perdure.run_config import RunConfig
from perdure.testing.scripted_model import ScriptedModel, message, tool_call
from perdure.tool import function_tool
from tests.activities.workbench import Workbench, cursor_of, user


@dataclass
class Notes:
    seen: list[str]


@function_tool
def spare() -> str:
    """Not always there."""
    return ""


async def ask(bench: Workbench, items: list[dict[str, Any]] | None = None, **more: Any) -> CallModelOutput:
    cursor, new = cursor_of(items or [user("hi")])
    fields = {"definition": bench.definition().digest, "cursor": cursor, "items": new}
    return await bench.ask_model(CallModelInput(**bench.step(), **{**fields, **more}))


def model_of(bench: Workbench) -> ScriptedModel:
    assert isinstance(bench.agent.model, ScriptedModel)
    return bench.agent.model


async def test_an_answer_comes_back_with_its_usage() -> None:
    bench = Workbench(Agent(name="A", model=ScriptedModel(["hello"])))
    output = await ask(bench)
    assert output.items[0]["content"][0]["text"] == "hello"
    assert (output.usage.requests, output.usage.input, output.usage.output) == (1, 10, 5)


async def test_instructions_of_a_function_see_context_and_agent() -> None:
    def instructions(context: Any, agent: Agent[Any]) -> str:
        context.context["asked"] = context.attempt
        return f"You are {agent.name}."

    bench = Workbench(Agent(name="A", model=ScriptedModel(["x"]), instructions=instructions), context={"asked": 0})
    output = await ask(bench)
    assert model_of(bench).requests[0].instructions == "You are A."
    assert output.context_changes == {"asked": 1}


async def test_what_instructions_raise_ends_the_run_with_that_very_exception() -> None:
    error = ConnectionError("of the user's own, no reason to ask again")

    async def instructions(context: Any, agent: Agent[Any]) -> str:
        raise error

    bench = Workbench(Agent(name="A", model=ScriptedModel(["x"]), instructions=instructions))
    with pytest.raises(ApplicationError) as raised:
        await ask(bench)
    assert raised.value.non_retryable
    assert raised.value.type == "ConnectionError"
    assert bench.lent.errors == [error]


async def test_a_failing_function_cancels_those_beside_it() -> None:
    cancelled: list[str] = []

    async def instructions(context: Any, agent: Agent[Any]) -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled.append("instructions")
            raise
        return ""

    async def prompt(data: Any) -> Any:
        raise ValueError("no prompt")

    bench = Workbench(Agent(name="A", model=ScriptedModel(["x"]), instructions=instructions, prompt=prompt))
    with pytest.raises(ApplicationError, match="no prompt"):
        await ask(bench)
    assert cancelled == ["instructions"]


async def test_what_is_switched_off_is_neither_offered_nor_known() -> None:
    tool = function_tool(lambda: "", name_override="sometimes", is_enabled=lambda context, agent: False)
    other = Agent[Any](name="B")
    agent = Agent[Any](
        name="A",
        model=ScriptedModel(["x"]),
        tools=[tool, spare],
        handoffs=[handoff(other, is_enabled=lambda context, agent: False), Agent(name="C")],
    )
    bench = Workbench(agent)
    output = await ask(bench)
    request = model_of(bench).requests[0]
    assert (request.tools, request.handoffs) == (["spare"], ["transfer_to_c"])
    assert output.disabled == ["sometimes", "transfer_to_b"]


async def test_a_filter_changes_this_request_alone_and_hooks_see_what_it_left() -> None:
    seen: list[Any] = []

    def shorten(data: CallModelData[Any]) -> ModelInputData:
        return ModelInputData(data.model_data.input[-1:], None)

    class Hooks(RunHooks[Any]):
        async def on_llm_start(self, context: Any, agent: Any, system_prompt: Any, input_items: Any) -> None:
            seen.append((system_prompt, [item["content"] for item in input_items]))

    config = RunConfig(call_model_input_filter=shorten)
    bench = Workbench(Agent(name="A", model=ScriptedModel(["x"]), instructions="Be brief."), config, hooks=Hooks())
    await ask(bench, [user("one"), user("two")], filters_input=True, llm_hooks=True)
    request = model_of(bench).requests[0]
    assert (request.instructions, [item["content"] for item in request.input]) == (None, ["two"])
    assert seen == [(None, ["two"])]


async def test_a_request_that_is_to_be_filtered_is_not_made_where_nothing_filters_it() -> None:
    bench = Workbench(Agent(name="A", model=ScriptedModel(["hello"])))
    with pytest.raises(ApplicationError, match="has no call_model_input_filter; deploy one") as raised:
        await ask(bench, filters_input=True)
    assert raised.value.type == STEP_DECLINED
    assert model_of(bench).requests == []


async def test_llm_end_hooks_see_the_answer_and_a_usage_that_has_it() -> None:
    seen: list[Any] = []

    class Hooks(RunHooks[Any]):
        async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:
            seen.append(("run", context.usage.total_tokens, response.output[0].content[0].text))

    class Own(AgentHooks[Any]):
        async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:
            seen.append(("agent", context.usage.requests, response.response_id))

    bench = Workbench(Agent(name="A", model=ScriptedModel(["hello"]), hooks=Own()), hooks=Hooks())
    await ask(bench, llm_hooks=True)
    assert seen == [("agent", 1, "resp_0"), ("run", 15, "hello")]  # the order of the Agents SDK


async def test_llm_start_hooks_hear_once_though_the_model_is_asked_again() -> None:
    class Hooks(RunHooks[Any]):
        async def on_llm_start(self, context: Any, agent: Any, system_prompt: Any, input_items: Any) -> None:
            context.context["starts"] += 1

    agent = Agent[Any](name="A", model=ScriptedModel([TimeoutError("gone"), "x"]))
    first = Workbench(agent, context={"starts": 0}, hooks=Hooks())
    with pytest.raises(ApplicationError) as raised:
        await ask(first, llm_hooks=True)
    assert not raised.value.non_retryable
    second = Workbench(agent, context={"starts": 0}, hooks=Hooks(), attempt=2)
    second.heartbeat_details = list(first.heartbeats[-1])
    output = await ask(second, llm_hooks=True)
    assert output.context_changes == {"starts": 1}


async def test_a_policy_of_the_user_decides_whether_a_failed_call_is_made_again() -> None:
    retry = ModelRetrySettings(max_retries=2, policy=lambda context: context.attempt == 1)
    settings = ModelSettings(retry=retry)
    agent = Agent[Any](
        name="A", model=ScriptedModel([ValueError("odd"), ValueError("odd"), "x"]), model_settings=settings
    )
    with pytest.raises(ApplicationError) as first:
        await ask(Workbench(agent, attempt=1))
    with pytest.raises(ApplicationError) as second:
        await ask(Workbench(agent, attempt=2))
    assert (first.value.non_retryable, second.value.non_retryable) == (False, True)


async def test_with_the_users_retries_failed_attempts_count_as_requests() -> None:
    settings = ModelSettings(retry=ModelRetrySettings(max_retries=2, policy=lambda context: True))
    bench = Workbench(Agent(name="A", model=ScriptedModel(["x"]), model_settings=settings), attempt=3)
    output = await ask(bench)
    assert (output.usage.requests, output.usage.input) == (3, 10)


class City(BaseModel):
    name: str


async def test_an_answer_of_the_output_type_is_valid_and_its_bytes_stay() -> None:
    text = '{ "name": "Rome" }'
    bench = Workbench(Agent(name="A", model=ScriptedModel([text]), output_type=City))
    output = await ask(bench)
    assert output.invalid_output is None
    assert output.items[0]["content"][0]["text"] == text
    assert model_of(bench).requests[0].output_schema is not None


async def test_an_answer_of_another_type_says_why() -> None:
    bench = Workbench(Agent(name="A", model=ScriptedModel(['{"town": 1}']), output_type=City))
    output = await ask(bench)
    assert output.invalid_output is not None
    assert "City" in output.invalid_output


async def test_a_message_beside_a_call_is_not_judged() -> None:
    answer = [message("thinking aloud"), tool_call("spare", {}, "c1")]
    bench = Workbench(Agent(name="A", model=ScriptedModel([answer]), output_type=City, tools=[spare]))
    assert (await ask(bench)).invalid_output is None


async def test_ids_of_reasoning_items_are_left_out_where_the_run_says_so() -> None:
    thought = {"id": "rs_1", "summary": [], "type": "reasoning"}
    bench = Workbench(Agent(name="A", model=ScriptedModel(["x"])))
    await ask(bench, [user("hi"), thought], omit_reasoning_ids=True)
    assert model_of(bench).requests[0].input[1] == {"summary": [], "type": "reasoning"}


async def test_where_the_provider_keeps_the_conversation_only_the_rest_is_sent() -> None:
    items = [user("one"), user("two"), user("three")]
    cursor, new = cursor_of(items, start=2, base=1)
    bench = Workbench(Agent(name="A", model=ScriptedModel(["x"])))
    await ask(bench, cursor=cursor, items=new)
    assert [item["content"] for item in model_of(bench).requests[0].input] == ["three"]
    assert bench.run.asked == []


async def test_a_tool_choice_is_forgotten_where_the_run_says_so() -> None:
    settings = ModelSettings(tool_choice="required")
    bench = Workbench(Agent(name="A", model=ScriptedModel(["x", "y"]), model_settings=settings, tools=[spare]))
    await ask(bench)
    await ask(bench, forget_tool_choice=True)
    choices = [request.settings.tool_choice for request in model_of(bench).requests]
    assert choices == ["required", None]


async def test_a_hook_may_change_what_is_sent() -> None:
    class Own(AgentHooks[Any]):
        async def on_llm_start(self, context: Any, agent: Any, system_prompt: Any, input_items: Any) -> None:
            input_items.append(user("and this"))

    bench = Workbench(Agent(name="A", model=ScriptedModel(["x"]), hooks=Own()))
    await ask(bench, llm_hooks=True)
    assert json.dumps(model_of(bench).requests[0].input[-1]) == json.dumps(user("and this"))


@dataclass
class Tuned(ModelSettings):
    seed: int | None = None


async def test_a_model_of_ones_own_is_given_the_settings_objects() -> None:
    settings = Tuned(
        tool_choice=MCPToolChoice("shop", "pay"),
        reasoning=Reasoning(effort="low"),
        retry=ModelRetrySettings(policy=retry_policies.never()),
        seed=7,
    )
    config = RunConfig(model_settings=ModelSettings(top_p=0.5))
    bench = Workbench(Agent(name="A", model=ScriptedModel(["x"] * 2), model_settings=settings), config)
    await ask(bench)
    await ask(bench, forget_tool_choice=True)
    given = [request.settings for request in model_of(bench).requests]
    assert given[0] == dataclasses.replace(settings, top_p=0.5)
    assert given[0].reasoning is settings.reasoning
    assert given[1] == dataclasses.replace(settings, top_p=0.5, tool_choice=None)
    assert settings.tool_choice == MCPToolChoice("shop", "pay")
