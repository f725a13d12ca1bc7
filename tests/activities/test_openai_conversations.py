"""A request whose attempt was lost is not said twice in a conversation that the provider keeps."""

from __future__ import annotations

from typing import Any

import pytest

from activities.providers.openai_responses import OpenAIResponses
from perdure.canonical import canonical
from perdure.errors import ConversationStateUnknown
from perdure.model import ModelAnswer, ModelRequest
from perdure.model_settings import ModelSettings

from .loopback import Loopback, completed, text_item

HI = {"role": "user", "content": "hi"}
HELD_HI = {
    "id": "msg_0", "type": "message", "role": "user", "status": "completed",
    "content": [{"type": "input_text", "text": "hi"}],
}  # fmt: skip
OUTPUTS = [{"type": "function_call_output", "call_id": f"c{number}", "output": "1"} for number in (1, 2)]
HELD_OUTPUTS = [{**output, "id": f"fco_{output['call_id']}", "status": "completed"} for output in OUTPUTS]
CALLS = [{"type": "function_call", "id": "fc_2", "call_id": "c2", "name": "add", "arguments": "{}"}]
ANSWER = [{"type": "reasoning", "id": "rs_1", "summary": []}, text_item("hello")]


async def repeated(server: Loopback, input: list[Any], held: list[Any]) -> ModelAnswer:
    server.reply({"object": "list", "data": held[::-1], "has_more": False})
    server.reply(completed([text_item("sent")]))
    request = ModelRequest(
        "m", None, [canonical(item) for item in input], [], ModelSettings(),
        conversation_id="conv_1", is_repeated=True,
    )  # fmt: skip
    return await OpenAIResponses(server.client()).respond(request)


@pytest.mark.parametrize(
    ("input", "held"),
    [
        ([HI], [HELD_HI, *ANSWER]),
        (OUTPUTS, [HELD_HI, *CALLS, *HELD_OUTPUTS, *ANSWER]),
    ],
)
async def test_an_answer_that_the_conversation_holds_is_adopted(input: Any, held: Any) -> None:
    async with Loopback() as server:
        answer = await repeated(server, input, held)
    assert answer.items == ANSWER
    assert [one.path for one in server.received] == ["/v1/conversations/conv_1/items"]


@pytest.mark.parametrize(
    ("input", "held"),
    [
        ([HI], []),
        (OUTPUTS, [HELD_HI, *CALLS]),
        ([HI], [{**HELD_HI, "content": [{"type": "input_text", "text": "other"}]}, *ANSWER]),
        ([HI], [HELD_HI, *ANSWER, {**HELD_HI, "content": [{"type": "input_text", "text": "by another"}]}]),
    ],
)
async def test_a_request_that_did_not_arrive_is_sent(input: Any, held: Any) -> None:
    async with Loopback() as server:
        answer = await repeated(server, input, held)
    assert answer.items == [text_item("sent")]
    assert server.received[1].body["conversation"] == "conv_1"


@pytest.mark.parametrize(
    ("input", "held"),
    [
        ([HI], [*ANSWER, HELD_HI]),
        (OUTPUTS, [*CALLS, HELD_OUTPUTS[0], *ANSWER]),
    ],
)
async def test_a_conversation_that_does_not_tell_ends_the_run(input: Any, held: Any) -> None:
    async with Loopback() as server:
        with pytest.raises(ConversationStateUnknown, match="conv_1"):
            await repeated(server, input, held)
    assert len(server.received) == 1


async def test_a_first_attempt_does_not_look() -> None:
    async with Loopback() as server:
        server.reply(completed([]))
        request = ModelRequest("m", None, [canonical(HI)], [], ModelSettings(), conversation_id="conv_1")
        await OpenAIResponses(server.client()).respond(request)
    assert [one.path for one in server.received] == ["/v1/responses"]


async def test_a_conversation_is_read_by_pages() -> None:
    outputs = [{"type": "function_call_output", "call_id": f"c{number}", "output": "1"} for number in range(101)]
    held = [{**output, "id": f"fco_{output['call_id']}"} for output in outputs]
    newest_first = [*held, *ANSWER][::-1]
    async with Loopback() as server:
        server.reply({"data": newest_first[:100], "has_more": True})
        server.reply({"data": newest_first[100:], "has_more": False})
        request = ModelRequest(
            "m", None, [canonical(item) for item in outputs], [], ModelSettings(),
            conversation_id="conv_1", is_repeated=True,
        )  # fmt: skip
        answer = await OpenAIResponses(server.client()).respond(request)
    assert answer.items == ANSWER
    assert [one.query.get("after") for one in server.received] == [None, newest_first[99]["id"]]


async def test_a_server_that_does_not_list_conversations_leaves_it_unknown() -> None:
    async with Loopback() as server:
        server.reply({"error": {"message": "no such path"}}, status=404)
        request = ModelRequest(
            "m", None, [canonical(HI)], [], ModelSettings(), conversation_id="conv_1", is_repeated=True
        )
        with pytest.raises(ConversationStateUnknown, match="does not list the items"):
            await OpenAIResponses(server.client()).respond(request)
