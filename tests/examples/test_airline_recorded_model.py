"""The server that plays the recorded model, asked by OpenAI's own client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.responses import Response

from examples.airline.conversations import Conversation, Step, ToolCall, Turn, load
from examples.airline.recorded_model import RecordedModel
from examples.airline.store import DATA_DIR

ROOT = Path(__file__).parents[2]


def talk(user: str, *answers: str, id: str = "a") -> Conversation:
    """A conversation in which the user says one thing and then `more` after each answer."""
    said = [user, *(f"more {number}" for number in range(1, len(answers)))]
    turns = [Turn(text, (Step(answer, ()),)) for text, answer in zip(said, answers, strict=True)]
    return Conversation(id, "", (*turns, Turn("bye ###STOP###", ())))


def calls(*outputs: str) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(f"c{index}", "look", "{}", output) for index, output in enumerate(outputs))


MODEL = openai.OpenAI(api_key="none", max_retries=0)


def ask(url: str, input: Any) -> Response:
    return MODEL.with_options(base_url=f"{url}/v1").responses.create(model="gpt-4o", input=input)


def report(url: str, id: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/conversations/{id}") as response:
        return json.load(response)


def post(url: str, body: bytes, path: str = "/v1/responses") -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(f"{url}{path}", data=body, method="POST")
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def play(url: str, conversation: Conversation, *, spoil: bool = False) -> list[Any]:
    """Play the user and the tools of a conversation; `spoil` gives every tool output a wrong end."""
    history: list[Any] = []
    for turn in conversation.turns:
        history.append({"role": "user", "content": turn.user})
        for step in turn.steps:
            response = ask(url, history)
            history += [item.model_dump(exclude_none=True) for item in response.output]
            history += [
                {
                    "type": "function_call_output",
                    "call_id": call.call_id,
                    "output": call.output + ("!" if spoil else ""),
                }
                for call in step.calls
            ]
    return history


@pytest.fixture(scope="module")
def recorded() -> list[Conversation]:
    return load(DATA_DIR)


@pytest.fixture
def url(recorded: list[Conversation]) -> Iterator[str]:
    with RecordedModel(recorded) as served:
        yield served


def test_every_recorded_conversation_is_played_with_all_outputs_equal(url: str, recorded: list[Conversation]) -> None:
    for conversation in recorded:
        play(url, conversation)
        steps = [step for turn in conversation.turns for step in turn.steps]
        counted = report(url, conversation.id)
        assert counted["mismatches"] == []
        assert counted["answers_given"] == counted["answers_recorded"] == counted["requests"] == len(steps)
        outputs = sum(len(step.calls) for step in steps)
        assert counted["outputs_compared"] == counted["outputs_equal"] == counted["outputs_recorded"] == outputs


def test_the_answer_is_the_recorded_one_to_the_letter(url: str, recorded: list[Conversation]) -> None:
    conversation = next(each for each in recorded if any(s.text and s.calls for t in each.turns for s in t.steps))
    history = play(url, conversation)
    said = [item["content"][0]["text"] for item in history if item.get("type") == "message"]
    called = [(item["call_id"], item["name"], item["arguments"]) for item in history if item.get("arguments")]
    steps = [step for turn in conversation.turns for step in turn.steps]
    assert said == [step.text for step in steps if step.text is not None]
    assert called == [(call.call_id, call.name, call.arguments) for step in steps for call in step.calls]


def test_every_answer_is_a_valid_response_of_the_api(url: str, recorded: list[Conversation]) -> None:
    conversation = next(each for each in recorded if any(s.text and s.calls for t in each.turns for s in t.steps))
    history = play(url, conversation)
    kinds: set[str] = set()
    for length in range(1, len(history)):
        status, answer = post(url, json.dumps({"model": "gpt-4o", "input": history[:length]}).encode())
        assert status == 200
        kinds |= {item.type for item in Response.model_validate(answer, strict=True).output}
    assert kinds == {"message", "function_call"}


def test_a_repeated_request_gets_the_same_answer_and_counts_once(url: str, recorded: list[Conversation]) -> None:
    conversation = recorded[0]
    history = play(url, conversation)
    once = report(url, conversation.id)
    last = len(history) - 2  # without the last answer and the goodbye
    assert ask(url, history[:last]).output == ask(url, history[:last]).output
    again = report(url, conversation.id)
    assert again == {**once, "requests": once["requests"] + 2}


def test_wrong_outputs_are_reported_and_the_conversation_still_ends(url: str, recorded: list[Conversation]) -> None:
    conversation = recorded[0]
    play(url, conversation, spoil=True)
    counted = report(url, conversation.id)
    assert counted["answers_given"] == counted["answers_recorded"]
    assert counted["outputs_compared"] == counted["outputs_recorded"] == counted["mismatch_count"] > 3
    assert counted["outputs_equal"] == 0
    first_call = next(step.calls[0] for turn in conversation.turns for step in turn.steps if step.calls)
    assert len(counted["mismatches"]) == 3
    assert counted["mismatches"][0]["expected"]["text"] == first_call.output
    assert counted["mismatches"][0]["actual"]["text"] == first_call.output + "!"


def test_an_output_that_was_wrong_once_stays_wrong() -> None:
    conversation = Conversation(
        "a", "", (Turn("hi", (Step(None, calls("1")), Step("done", ()))), Turn("###STOP###", ()))
    )
    call = {"type": "function_call", "call_id": "c0", "name": "look", "arguments": "{}"}
    with RecordedModel([conversation]) as url:
        for output in ("2", "1"):
            answer = {"type": "function_call_output", "call_id": "c0", "output": output}
            assert ask(url, [{"role": "user", "content": "hi"}, call, answer]).output_text == "done"
        assert report(url, "a")["outputs_equal"] == 0


def test_a_missing_item_is_a_mismatch_with_nothing_in_its_place() -> None:
    conversation = talk("hi", "one", "two")
    with RecordedModel([conversation]) as url:
        ask(url, [{"role": "user", "content": "hi"}, {"role": "user", "content": "more 1"}])
        assert [each["position"] for each in report(url, "a")["mismatches"]] == [1, 2]
        assert report(url, "a")["mismatches"][1]["actual"] is None


def test_parallel_calls_are_asked_together_and_their_outputs_compared() -> None:
    steps = (Step("Let me look.", calls("1", "2")), Step("done", ()))
    conversation = Conversation("a", "", (Turn("hi", steps), Turn("###STOP###", ())))
    with RecordedModel([conversation]) as url:
        assert [item.type for item in ask(url, "hi").output] == ["message", "function_call", "function_call"]
        play(url, conversation)
        assert report(url, "a")["outputs_equal"] == 2
        assert report(url, "a")["mismatches"] == []


def test_of_two_conversations_that_begin_alike_the_one_that_agrees_longer_is_played() -> None:
    first, second = talk("hi", "one", "two", id="a"), talk("hi", "uno", "dos", id="b")
    with RecordedModel([first, second]) as url:
        said = [("user", "hi"), ("assistant", "uno"), ("user", "more 1")]
        history = [{"role": role, "content": text} for role, text in said]
        assert ask(url, history).output_text == "dos"
        assert report(url, "a")["requests"] == 0
        assert report(url, "b")["mismatches"] == []


def test_instructions_reasoning_and_part_lists_do_not_matter() -> None:
    with RecordedModel([talk("hi", "one", "two")]) as url:
        history = [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "input_text", "text": "h"}, {"type": "input_text", "text": "i"}]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"role": "assistant", "content": [{"type": "output_text", "text": "one"}]},
            {"role": "user", "content": "more 1"},
        ]
        assert ask(url, history).output_text == "two"
        assert report(url, "a")["mismatch_count"] == 0


def test_an_unknown_conversation_is_a_400_that_says_so(url: str) -> None:
    with pytest.raises(openai.BadRequestError, match="begins with 'Sing!'") as caught:
        ask(url, "Sing!")
    assert caught.value.code == "unknown_conversation"


def test_a_message_after_the_last_answer_is_a_400(url: str, recorded: list[Conversation]) -> None:
    history = play(url, recorded[0])
    with pytest.raises(openai.BadRequestError, match="has no answer to the user's message number") as caught:
        ask(url, history)
    assert caught.value.code == "no_recorded_answer"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_body"),
        (b"\xff", "invalid_body"),
        (b"[" * 100_000, "invalid_body"),
        (b"[]", "invalid_body"),
        (b"{}", "invalid_input"),
        (b'{"input": [7]}', "invalid_input"),
        (b'{"input": [{"role": "user", "content": 7}]}', "invalid_input"),
        (b'{"input": [{"role": "user", "content": [{"type": "input_image"}]}]}', "invalid_input"),
        (b'{"input": []}', "unknown_conversation"),
        (b'{"input": "hi", "stream": true}', "unsupported"),
    ],
)
def test_a_malformed_request_is_a_400_and_the_server_goes_on(url: str, body: bytes, code: str) -> None:
    status, answer = post(url, body)
    assert (status, answer["error"]["code"]) == (400, code)
    assert post(url, b"{}", "/v1/chat/completions")[0] == 404


def test_the_usage_is_an_estimate_of_four_characters_a_token() -> None:
    with RecordedModel([talk("hi" * 1000, "one")]) as url:
        usage = ask(url, "hi" * 1000).usage
    assert usage is not None
    assert 500 <= usage.input_tokens <= 510
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


def test_the_command_prints_its_url_first_and_serves_a_folder() -> None:
    command = [sys.executable, "-m", "examples.airline.recorded_model", "--data", str(DATA_DIR), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert report(url, "task06-trial0")["requests"] == 0
        finally:
            process.kill()
