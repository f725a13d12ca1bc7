"""ScriptedModel answers in the script's order, whichever process asks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from perdure.agent import Agent
from perdure.errors import UserError
from perdure.handoff import handoff
from perdure.model import ModelResponse, ModelTracing
from perdure.settings import ModelSettings
from perdure.testing import ScriptedModel, message, tool_call
from perdure.usage import Usage

USER = {"role": "user", "content": "hi"}


async def ask(model: ScriptedModel, conversation: str | list[Any], **given: Any) -> ModelResponse:
    return await model.get_response(
        given.get("instructions"),
        conversation,
        given.get("settings", ModelSettings()),
        given.get("tools", []),
        given.get("output_schema"),
        given.get("handoffs", []),
        ModelTracing.DISABLED,
        previous_response_id=given.get("previous_response_id"),
        conversation_id=given.get("conversation_id"),
        prompt=None,
    )


async def talk(model: ScriptedModel, turns: int, conversation: list[Any] | None = None) -> list[Any]:
    """A conversation of so many answers; each tool call gets an output."""
    items = list(conversation or [USER])
    for _ in range(turns):
        answer = (await ask(model, items)).output
        items += answer
        items += [
            {"type": "function_call_output", "call_id": item["call_id"], "output": "3"}
            for item in answer
            if item["type"] == "function_call"
        ]
    return items


def script() -> list[Any]:
    return [tool_call("add", {"a": 1}), ["thinking", tool_call("add", {"a": 1})], tool_call("add", {"a": 1}), "done"]


async def test_a_text_becomes_a_message() -> None:
    answer = await ask(ScriptedModel(["hello"]), "hi")
    assert answer.response_id == "resp_0"
    assert answer.output == [
        {
            "id": "msg_0",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "hello", "annotations": []}],
        }
    ]


async def test_calls_have_ids_of_their_place() -> None:
    model = ScriptedModel([[tool_call("add", {"a": 1}), tool_call("add", "not json", call_id="mine")]])
    first, second = (await ask(model, "hi")).output
    assert (first["id"], first["call_id"], first["arguments"]) == ("fc_0_0", "call_0_0", '{"a": 1}')
    assert (second["id"], second["call_id"], second["arguments"]) == ("fc_0_1", "mine", "not json")


async def test_answers_come_in_the_scripts_order() -> None:
    items = await talk(ScriptedModel(script()), 4)
    calls = [item.get("call_id") for item in items if item.get("type") == "function_call"]
    assert calls == ["call_0_0", "call_1_1", "call_2_0"]
    assert items[-1]["content"][0]["text"] == "done"


@pytest.mark.parametrize("turns_before_the_kill", [0, 1, 2, 3])
async def test_another_process_goes_on_at_the_next_answer(turns_before_the_kill: int) -> None:
    kept = json.loads(json.dumps(await talk(ScriptedModel(script()), turns_before_the_kill)))
    whole = await talk(ScriptedModel(script()), 4)
    assert await talk(ScriptedModel(script()), 4 - turns_before_the_kill, kept) == whole


async def test_an_answer_asked_for_twice_is_the_same_answer() -> None:
    model = ScriptedModel(script())
    items = await talk(model, 1)
    assert (await ask(model, items)).output == (await ask(model, items)).output


async def test_a_later_run_on_the_same_conversation_continues() -> None:
    model = ScriptedModel(["one", "one", "two"])
    items = await talk(model, 1)
    items = await talk(model, 1, [*items, USER])
    assert (await ask(model, [*items, USER])).output[0]["id"] == "msg_2"


async def test_an_answer_of_which_a_part_was_filtered_out_counts_as_given() -> None:
    model = ScriptedModel(script())
    items = await talk(model, 2)
    filtered = [item for item in items if item.get("type") != "message"]
    assert (await ask(model, filtered)).output[0]["call_id"] == "call_2_0"


async def test_an_answer_after_filtered_ones_is_recognised() -> None:
    items = await talk(ScriptedModel(script()), 3)
    filtered = [USER, *(item for item in items if item.get("call_id") == "call_2_0")]
    assert (await ask(ScriptedModel(script()), filtered)).output[0]["id"] == "msg_3"


async def test_items_that_lost_their_ids_are_recognised() -> None:
    items = await talk(ScriptedModel(script()), 3)
    bare = [{name: value for name, value in item.items() if name not in ("id", "status")} for item in items]
    assert (await ask(ScriptedModel(script()), bare)).output[0]["id"] == "msg_3"


async def test_items_of_another_model_do_not_count() -> None:
    other = [{"role": "assistant", "content": "hello"}, {"type": "reasoning", "id": "rs_1", "summary": []}]
    items = [USER, *other, tool_call("transfer_to_b", {}, call_id="call_0_0"), *other]
    assert (await ask(ScriptedModel(["first"]), items)).output[0]["id"] == "msg_0"


async def test_text_that_json_cannot_carry_is_recognised_after_its_repair() -> None:
    model = ScriptedModel(["half \ud83d", "next"])
    items = [USER, {"role": "assistant", "content": [{"type": "output_text", "text": "half ?"}]}]
    assert (await ask(model, items)).output[0]["id"] == "msg_1"


async def test_unknown_items_pass_and_are_recognised() -> None:
    hosted = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "q"}}
    model = ScriptedModel([[hosted], "found"])
    first = (await ask(model, "hi")).output
    assert first == [hosted]
    assert (await ask(model, [USER, *first])).output[0]["id"] == "msg_1"


async def test_an_exception_is_raised_once_before_the_answer_after_it() -> None:
    model = ScriptedModel(["one", ConnectionError("first"), ConnectionError("second"), "two"])
    items = await talk(model, 1)
    with pytest.raises(ConnectionError, match="first"):
        await ask(model, items)
    with pytest.raises(ConnectionError, match="second"):
        await ask(model, items)
    assert (await ask(model, items)).output[0]["id"] == "msg_3"
    assert (await ask(model, [USER])).output[0]["id"] == "msg_0"


async def test_an_empty_answer_is_given_once() -> None:
    model = ScriptedModel([[], "then"])
    assert (await ask(model, "hi")).output == []
    assert (await ask(model, "hi")).output[0]["id"] == "msg_1"


async def test_a_script_that_is_used_up_says_so() -> None:
    model = ScriptedModel(["one", "two"])
    items = await talk(model, 2)
    with pytest.raises(UserError, match="The script of 2 answers is used up"):
        await ask(model, items)


async def test_runs_at_the_same_time_share_a_model() -> None:
    model = ScriptedModel(script())
    first, second = await asyncio.gather(talk(model, 4), talk(model, 4))
    assert first == second


async def test_each_answer_reports_the_usage_anew() -> None:
    model = ScriptedModel(["one"])
    answer = await ask(model, "hi")
    answer.usage.add(answer.usage)
    assert (await ask(model, "hi")).usage == Usage.of_request(10, 5)
    assert (await ask(ScriptedModel(["one"], usage=Usage.of_request(7, 1)), "hi")).usage.input_tokens == 7


async def test_changing_an_answer_leaves_the_script_alone() -> None:
    model = ScriptedModel([{"type": "message", "role": "assistant", "content": []}])
    (await ask(model, "hi")).output[0]["content"].append("changed")
    assert (await ask(model, "hi")).output[0]["content"] == []


async def test_requests_are_kept() -> None:
    class Named:
        name = "add"
        tool_name = "transfer_to_b"

    model = ScriptedModel(["one"])
    settings = ModelSettings(temperature=0.5)
    tools = [Named(), {"type": "function", "name": "sub"}, {"type": "web_search"}]
    await ask(model, "hi", instructions="be kind", settings=settings, tools=tools, handoffs=[Named()])
    (request,) = model.requests
    assert (request.instructions, request.input, request.settings) == ("be kind", [USER], settings)
    assert (request.tools, request.handoffs) == (["add", "sub", "web_search"], ["transfer_to_b"])


@pytest.mark.parametrize("answer", [7, None, [7], ValueError])
def test_an_answer_of_another_kind_is_refused(answer: Any) -> None:
    with pytest.raises(UserError, match="Answer 1 of the script"):
        ScriptedModel(["fine", answer])


def test_arguments_keep_their_letters() -> None:
    assert tool_call("say", {"to": "Zoë"})["arguments"] == '{"to": "Zoë"}'
    assert message("hi")["role"] == "assistant"


async def test_a_conversation_that_the_provider_keeps_goes_on_after_the_answer_it_names() -> None:
    model = ScriptedModel(["one", "two", "three"])
    assert (await ask(model, [])).response_id == "resp_0"
    again = ScriptedModel(["one", "two", "three"])
    assert (await ask(again, [], previous_response_id="resp_0")).response_id == "resp_1"
    assert (await ask(again, [], previous_response_id="resp_of_another_model")).response_id == "resp_0"


async def test_a_conversation_that_the_provider_keeps_under_an_id_goes_on() -> None:
    model = ScriptedModel(["one", "two"])
    answers = [(await ask(model, [], conversation_id=name)).response_id for name in ("a", "a", "b")]
    assert answers == ["resp_0", "resp_1", "resp_0"]


async def test_handoffs_are_requested_by_the_names_of_their_tools() -> None:
    model = ScriptedModel(["one"])
    await ask(model, [], handoffs=[handoff(Agent(name="Billing"))])
    assert model.requests[0].handoffs == ["transfer_to_billing"]
