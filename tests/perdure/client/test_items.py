"""What was said becomes typed items, each of the agent whose it is."""

from __future__ import annotations

from typing import Any

from perdure.agent import Agent
from perdure.client.cast import Cast
from perdure.client.items import interruptions, item_of, new_items, open_items, raw_responses
from perdure.client.reading import Said
from perdure.items import HandoffCallItem, HandoffOutputItem, ToolApprovalItem, ToolCallOutputItem
from tests.perdure.client.runs import HI, answer, call, entry, lent_to, open_call, output, status, text, two_turns

B: Agent[Any] = Agent(name="B")
A: Agent[Any] = Agent(name="A", handoffs=[B])
CAST = Cast(A, lent_to(A))


def test_an_item_has_the_live_agent_of_its_key() -> None:
    assert item_of(CAST, entry(text("hi"), agent="B")).agent is B


def test_an_agent_of_a_run_by_name_is_one_object_per_key() -> None:
    cast = Cast(Agent(name="A"))
    said = Said([entry(text("x"), agent="B"), entry(text("y"), agent="B"), entry(text("z"), agent="A")], [])
    first, second, third = new_items(cast, said)
    assert (first.agent.name, third.agent.name) == ("B", "A")
    assert first.agent is second.agent


def test_input_is_no_new_item() -> None:
    assert [item.type for item in new_items(CAST, two_turns())] == [
        "tool_call_item",
        "tool_call_output_item",
        "message_output_item",
    ]


def test_a_handoff_tells_who_hands_over_to_whom() -> None:
    made = item_of(CAST, entry(call("c1", "transfer_to_b"), "handoff"))
    done = item_of(CAST, entry(output("c1", '{"assistant": "B"}'), "handed_off", target="B"))
    assert isinstance(made, HandoffCallItem)
    assert isinstance(done, HandoffOutputItem)
    assert (done.agent, done.source_agent, done.target_agent) == (A, A, B)


def test_a_value_is_read_back_and_a_text_is_not() -> None:
    value, plain = (item_of(CAST, entry(output("c1", "[1]"), kind)) for kind in ("value", "output"))
    assert isinstance(value, ToolCallOutputItem)
    assert isinstance(plain, ToolCallOutputItem)
    assert (value.output, plain.output) == ([1], "[1]")


def test_structured_content_is_the_output_as_it_is() -> None:
    parts = [{"type": "input_text", "text": "x"}]
    item = item_of(CAST, entry({"call_id": "c1", "output": parts, "type": "function_call_output"}, "value"))
    assert isinstance(item, ToolCallOutputItem)
    assert item.output == parts


def test_an_answer_has_its_items_from_the_transcript_or_from_itself() -> None:
    kept = Said([HI, entry(text("b"), turn=2)], [answer(1, 1, items=[call("gone")]), answer(2, 1)])
    first, second = raw_responses(kept)
    assert (first.output[0].call_id, second.output[0].content[0].text) == ("gone", "b")
    assert (first.response_id, first.usage.input_tokens) == ("resp_1", 10)


def test_the_open_turn_has_outputs_and_approvals_in_call_order_and_none_of_inner_agents() -> None:
    calls = [
        open_call("1.0"),
        open_call("1.1", "done", output=output("m1.1")),
        open_call("1.2", "running"),
        open_call("1.2/1.0", path="1.2", agent="B"),
    ]
    items = open_items(CAST, status(calls=calls), "run-1")
    assert [(item.type, item.data["call_id"]) for item in items] == [
        ("tool_approval_item", "m1.0"),
        ("tool_call_output_item", "m1.1"),
    ]


def test_what_waits_inside_an_agent_stands_in_the_place_of_its_call() -> None:
    calls = [
        open_call("1.0", "running"),
        open_call("1.1"),
        open_call("1.0/1.0", path="1.0", agent="B"),
        open_call("1.0/1.1", "running", path="1.0", agent="B"),
        open_call("1.0/1.1/1.0", path="1.0/1.1", agent="A"),
    ]
    waiting = interruptions(CAST, status(calls=calls), "run-1")
    assert [(item.id, item.agent) for item in waiting] == [("1.0/1.0", B), ("1.0/1.1/1.0", A), ("1.1", A)]
    assert isinstance(waiting[0], ToolApprovalItem)
    assert waiting[0].digest == "d1.0/1.0"
