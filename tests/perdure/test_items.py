"""Items: typed wrappers around the JSON of the Responses API."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from perdure.agent import Agent
from perdure.items import (
    CompactionItem,
    ItemHelpers,
    MCPApprovalRequestItem,
    MCPListToolsItem,
    MessageOutputItem,
    ReasoningItem,
    ToolApprovalItem,
    ToolCallItem,
    ToolCallOutputItem,
    input_items,
    is_reference,
    message_refusal,
    message_text,
    run_item,
)

AGENT: Agent[Any] = Agent(name="Support")
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": '{"a": 1}'}


def message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"id": "m1", "type": "message", "role": "assistant", "status": "completed", "content": list(parts)}


def text(value: str) -> dict[str, Any]:
    return {"type": "output_text", "text": value, "annotations": []}


@pytest.mark.parametrize(
    ("kind", "wrapper"),
    [
        ("message", MessageOutputItem),
        ("reasoning", ReasoningItem),
        ("mcp_list_tools", MCPListToolsItem),
        ("mcp_approval_request", MCPApprovalRequestItem),
        ("compaction", CompactionItem),
        ("function_call", ToolCallItem),
        ("web_search_call", ToolCallItem),
        ("a_kind_of_tomorrow", ToolCallItem),
    ],
)
def test_an_items_type_says_which_wrapper_it_gets(kind: str, wrapper: type[Any]) -> None:
    item = run_item(AGENT, {"type": kind})
    assert type(item) is wrapper
    assert (item.agent, item.to_input_item()) == (AGENT, {"type": kind})


def test_a_tool_call_has_the_models_id_and_the_tools_name() -> None:
    item = run_item(AGENT, CALL)
    assert isinstance(item, ToolCallItem)
    assert (item.call_id, item.tool_name) == ("c1", "look")


def test_a_call_that_the_provider_ran_is_named_by_its_type() -> None:
    item = run_item(AGENT, {"type": "web_search_call", "id": "ws_1"})
    assert isinstance(item, ToolCallItem)
    assert (item.call_id, item.tool_name) == ("ws_1", "web_search_call")


def test_a_raw_item_is_openais_typed_object() -> None:
    raw = run_item(AGENT, message(text("hi"))).raw_item
    assert (type(raw).__name__, raw.content[0].text) == ("ResponseOutputMessage", "hi")


def test_a_tools_output_keeps_the_value_beside_the_text() -> None:
    data = {"type": "function_call_output", "call_id": "c1", "output": '{"a":1}'}
    item = ToolCallOutputItem(AGENT, data, {"a": 1})
    assert (item.call_id, item.output, item.raw_item) == ("c1", {"a": 1}, data)


def test_an_approval_names_the_call_by_both_ids() -> None:
    item = ToolApprovalItem(AGENT, CALL, id="2.0", digest="abc")
    assert (item.id, item.call_id, item.name, item.tool_name) == ("2.0", "c1", "look", "look")
    assert (item.arguments, item.digest) == ('{"a": 1}', "abc")


def test_an_approval_whose_arguments_lie_in_the_blob_store_has_none_to_show() -> None:
    data = {"type": "function_call", "call_id": "c1", "name": "look", "perdure_blob": {"sha256": "0" * 64}}
    assert ToolApprovalItem(AGENT, data, id="2.0", digest="abc").arguments == ""


def test_an_items_text_names_kind_agent_and_content_and_stays_short() -> None:
    shown = repr(run_item(AGENT, message(text("x" * 10_000))))
    assert shown.startswith("MessageOutputItem(agent='Support', data=")
    assert len(shown) < 300


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([text("a"), text("b")], "ab"),
        ([text("a"), {"type": "refusal", "refusal": "no"}], "a"),
        ([{"type": "input_text", "text": "not the model's"}], ""),
        ("plain", "plain"),
        ([], ""),
        (None, ""),
    ],
)
def test_a_messages_text_is_its_text_parts_joined(content: Any, expected: str) -> None:
    assert message_text({"type": "message", "content": content}) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([{"type": "refusal", "refusal": "no"}], "no"),
        ([text("well,"), {"type": "refusal", "refusal": "no"}], "no"),
        ([text("yes")], None),
        ("no", None),
        (None, None),
    ],
)
def test_a_refusal_is_a_part_of_a_message(content: Any, expected: str | None) -> None:
    assert message_refusal({"type": "message", "content": content}) == expected


@pytest.mark.parametrize("blob", [None, 5, "x", [], {}, {"sha256": None}, {"sha256": "ab"}, {"sha256": "AB" * 32}])
def test_only_a_digest_makes_a_reference(blob: Any) -> None:
    assert not is_reference({"perdure_blob": blob})
    assert is_reference({"perdure_blob": {"sha256": "ab" * 32}})


def test_a_string_is_one_message_of_the_user() -> None:
    assert input_items("hi") == [{"content": "hi", "role": "user"}]


def test_input_items_are_copies() -> None:
    given = [{"role": "user", "content": "hi"}]
    items = ItemHelpers.input_to_new_input_list(given)
    items[0]["content"] = "changed"
    items.append({})
    assert given == [{"role": "user", "content": "hi"}]


def test_the_text_of_several_items_is_that_of_their_messages() -> None:
    items = [run_item(AGENT, each) for each in (message(text("a")), CALL, message(text("b"), text("c")))]
    assert ItemHelpers.text_message_outputs(items) == "abc"
    assert ItemHelpers.text_message_output(MessageOutputItem(AGENT, message(text("a")))) == "a"


@pytest.mark.parametrize("made", [CALL, SimpleNamespace(call_id="c1")])
def test_an_output_answers_a_call_given_as_json_or_object(made: Any) -> None:
    expected = {"call_id": "c1", "output": "5", "type": "function_call_output"}
    assert ItemHelpers.tool_call_output_item(made, 5) == expected
