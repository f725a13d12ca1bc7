"""Reading recorded conversations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from examples.airline.conversations import STOP, MalformedConversationError, ToolCall, load
from examples.airline.store import DATA_DIR

CALL = {"id": "c1", "type": "function", "function": {"name": "think", "arguments": '{"thought":"x"}'}}
SYSTEM = {"role": "system", "content": "Be kind."}
HELLO = {"role": "user", "content": "Hello"}
ANSWER = {"role": "assistant", "content": "Hi"}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOOL = {"role": "tool", "tool_call_id": "c1", "name": "think", "content": ""}
BYE = {"role": "user", "content": f"Bye {STOP}"}


def write(folder: Path, *messages: Any) -> Path:
    (folder / "conversations.jsonl").write_text(json.dumps({"id": "a", "messages": messages}) + "\n", encoding="utf-8")
    return folder


def test_the_shipped_file_has_twelve_conversations_under_the_shipped_policy() -> None:
    conversations = load(DATA_DIR)
    assert len(conversations) == 12
    policy = (DATA_DIR / "policy.md").read_text(encoding="utf-8")
    assert {each.system for each in conversations} == {policy}
    assert all(each.turns[-1].ends_conversation for each in conversations)


def test_steps_belong_to_the_user_message_before_them(tmp_path: Path) -> None:
    (conversation,) = load(write(tmp_path, SYSTEM, HELLO, CALLING, TOOL, ANSWER, BYE))
    hello, bye = conversation.turns
    assert [step.text for step in hello.steps] == [None, "Hi"]
    assert hello.steps[0].calls == (ToolCall("c1", "think", '{"thought":"x"}', ""),)
    assert bye.steps == ()


@pytest.mark.parametrize(
    ("messages", "wrong"),
    [
        ([HELLO], "message 1: expected a message of 'system', found a message of 'user'"),
        ([SYSTEM], "no user message"),
        ([SYSTEM, HELLO, CALLING], "message 4: expected a message of 'tool', found the end"),
        ([SYSTEM, HELLO, CALLING, {**TOOL, "tool_call_id": "c2"}], "message 4 answers the call 'c2', expected 'c1'"),
        ([SYSTEM, HELLO, TOOL], "is not answered with a text"),
        ([SYSTEM, HELLO, CALLING, TOOL], "is not answered with a text"),
        ([SYSTEM, HELLO, {"role": "assistant", "content": ""}], "neither says nor calls"),
        ([SYSTEM, HELLO, ANSWER, TOOL], "message 4: expected a message of 'user', found a message of 'tool'"),
        ([SYSTEM, BYE, ANSWER], "follows a user message with ###STOP###"),
        ([SYSTEM, {"role": "user", "content": 7}], "message 2: 'content' is 7, expected a str"),
        ([SYSTEM, HELLO, {"role": "assistant", "tool_calls": ["x"]}], "message 3, tool call: 'id' is None"),
        (["x"], "message 1: 'role' is None"),
    ],
)
def test_a_malformed_conversation_names_file_line_and_message(tmp_path: Path, messages: list[Any], wrong: str) -> None:
    with pytest.raises(MalformedConversationError) as caught:
        load(write(tmp_path, *messages))
    assert f"{tmp_path / 'conversations.jsonl'}, line 1: " in str(caught.value)
    assert wrong in str(caught.value)


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "a"}', '{"messages": []}'])
def test_a_malformed_line_names_its_number(tmp_path: Path, line: str) -> None:
    write(tmp_path, SYSTEM, HELLO, ANSWER)
    with (tmp_path / "conversations.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    with pytest.raises(MalformedConversationError, match="line 3: "):
        load(tmp_path)


def test_an_id_may_occur_once(tmp_path: Path) -> None:
    write(tmp_path, SYSTEM, HELLO, ANSWER)
    path = tmp_path / "conversations.jsonl"
    path.write_text(path.read_text(encoding="utf-8") * 2, encoding="utf-8")
    with pytest.raises(MalformedConversationError, match="line 2: the id 'a' was used before"):
        load(tmp_path)
