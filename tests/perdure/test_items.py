"""Items: typed wrappers around the JSON of the Responses API."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from openai.types.responses import ResponseOutputMessage

from perdure.agent import Agent
from perdure.errors import AgentsException
from perdure.item_helpers import ItemHelpers
from perdure.items import (
    CompactionItem,
    HandoffCallItem,
    HandoffOutputItem,
    InputItem,
    MCPApprovalRequestItem,
    MCPApprovalResponseItem,
    MCPListToolsItem,
    MessageOutputItem,
    ReasoningItem,
    RunItem,
    RunItemBase,
    ToolApprovalItem,
    ToolCallItem,
    ToolCallOutputItem,
    ToolSearchCallItem,
    ToolSearchOutputItem,
    input_items,
    is_reference,
    item_json,
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
        ("mcp_approval_response", MCPApprovalResponseItem),
        ("tool_search_call", ToolSearchCallItem),
        ("tool_search_output", ToolSearchOutputItem),
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
        ([{"type": "refusal", "refusal": "no, "}, {"type": "refusal", "refusal": "never"}], "no, never"),
        ([text("yes")], None),
        ("no", None),
        (None, None),
    ],
)
def test_a_refusal_is_a_part_of_a_message(content: Any, expected: str | None) -> None:
    assert message_refusal({"type": "message", "content": content}) == expected


@pytest.mark.parametrize(
    "blob", [None, 5, "x", [], {}, {"sha256": None}, {"sha256": "ab"}, {"sha256": "AB" * 32}, {"sha256": "ab" * 32}]
)
def test_only_a_digest_makes_a_reference(blob: Any) -> None:
    assert not is_reference({"perdure_blob": blob})
    assert is_reference({"perdure_blob": {"sha256": "ab" * 32, "head": "a"}})


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


def typed(*parts: dict[str, Any]) -> ResponseOutputMessage:
    return ResponseOutputMessage.model_validate(message(*parts))


def test_a_function_call_of_a_handoffs_tool_is_a_handoffs_call() -> None:
    item = run_item(AGENT, CALL, is_handoff=True)
    assert isinstance(item, HandoffCallItem)
    assert (item.call_id, item.tool_name) == ("c1", "look")
    assert type(run_item(AGENT, message(), is_handoff=True)) is MessageOutputItem


def test_a_handoffs_output_knows_both_agents() -> None:
    data = {"type": "function_call_output", "call_id": "c1", "output": '{"assistant": "Billing"}'}
    billing: Agent[Any] = Agent(name="Billing")
    item = HandoffOutputItem(agent=AGENT, raw_item=data, source_agent=AGENT, target_agent=billing)
    assert (item.agent, item.data, item.source_agent, item.target_agent) == (AGENT, data, AGENT, billing)
    assert item.raw_item is data


@pytest.mark.parametrize("kind", [InputItem, MCPApprovalResponseItem])
def test_what_no_model_says_has_its_json_as_raw_item(kind: type[RunItemBase]) -> None:
    item = kind(AGENT, {"role": "user", "content": "hi"})
    assert item.raw_item is item.data


def test_an_item_can_be_made_of_openais_object_under_the_sdks_name() -> None:
    raw = typed(text("hi"))
    item = MessageOutputItem(agent=AGENT, raw_item=raw)
    assert item.raw_item is raw
    assert item.data == message(text("hi"))


def test_an_item_keeps_the_json_that_it_was_given() -> None:
    assert MessageOutputItem(AGENT, CALL).data is MessageOutputItem(AGENT, raw_item=CALL).data is CALL


def test_an_output_can_be_made_with_the_sdks_names() -> None:
    data = {"type": "function_call_output", "call_id": "c1", "output": "5"}
    item = ToolCallOutputItem(agent=AGENT, raw_item=data, output=5)
    assert (item.data, item.output) == (data, 5)


@pytest.mark.parametrize("given", [None, "text", 5])
def test_an_item_of_neither_json_nor_openais_object_is_a_type_error(given: Any) -> None:
    with pytest.raises(TypeError, match=r"Give its JSON, or openai's object for it\."):
        item_json(given)


def test_kinds_of_items_have_the_types_of_the_agents_sdk() -> None:
    agents: Any = pytest.importorskip("agents")
    kinds = {each.__name__: each for each in get_args(RunItem)}
    theirs = {each.__name__: each for each in get_args(agents.RunItem)}
    assert {name: kind.type for name, kind in kinds.items()} == {name: kind.type for name, kind in theirs.items()}


@pytest.mark.parametrize(
    "parts",
    [
        [text("a"), text("b")],
        [],
        [text("a"), {"type": "refusal", "refusal": "no"}],
        [{"type": "refusal", "refusal": "no"}, text("a")],
        [{"type": "refusal", "refusal": "no"}, {"type": "refusal", "refusal": "never"}],
        [text("")],
    ],
)
def test_what_is_read_from_a_message_is_what_the_agents_sdk_reads(parts: list[dict[str, Any]]) -> None:
    agents: Any = pytest.importorskip("agents")
    for name in ("extract_last_content", "extract_last_text", "extract_text", "extract_refusal"):
        expected = getattr(agents.ItemHelpers, name)(typed(*parts))
        assert getattr(ItemHelpers, name)(typed(*parts)) == getattr(ItemHelpers, name)(message(*parts)) == expected


@pytest.mark.parametrize("data", [CALL, {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]}])
def test_nothing_is_read_from_what_is_no_message(data: dict[str, Any]) -> None:
    assert ItemHelpers.extract_last_content(data) == ""
    assert [ItemHelpers.extract_last_text(data), ItemHelpers.extract_text(data), ItemHelpers.extract_refusal(data)] == [
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("output", ["x", 5, {"a": 1}, {"type": "text", "text": "q"}, [{"type": "text", "text": "q"}]])
def test_an_output_is_text_or_parts_as_the_agents_sdk_has_it(output: Any) -> None:
    agents: Any = pytest.importorskip("agents")
    expected = agents.ItemHelpers.tool_call_output_item(SimpleNamespace(call_id="c1"), output)
    assert ItemHelpers.tool_call_output_item(CALL, output) == expected


@pytest.mark.parametrize("made", [CALL, SimpleNamespace(call_id="c1")])
def test_an_output_answers_a_call_given_as_json_or_object(made: Any) -> None:
    expected = {"call_id": "c1", "output": "5", "type": "function_call_output"}
    assert ItemHelpers.tool_call_output_item(made, 5) == expected


def test_an_approval_says_where_its_tool_comes_from_as_far_as_it_is_known() -> None:
    item = ToolApprovalItem(AGENT, CALL, id="2.0", digest="abc")
    assert (item.tool_namespace, item.qualified_name, item.tool_origin) == (None, "look", None)
    item = ToolApprovalItem(AGENT, {**CALL, "namespace": "shop"}, id="2.0", digest="abc")
    assert (item.tool_namespace, item.qualified_name) == ("shop", "shop.look")


def test_an_approval_is_no_input() -> None:
    with pytest.raises(AgentsException, match="cannot be converted to an input item"):
        ToolApprovalItem(AGENT, CALL, id="2.0", digest="abc").to_input_item()


@pytest.mark.parametrize("kind", get_args(RunItem))
def test_a_type_checker_can_tell_the_class_by_the_type(kind: Any) -> None:
    (declared,) = get_args(inspect.get_annotations(kind, eval_str=True)["type"])
    assert get_args(declared) == (kind.type,)
