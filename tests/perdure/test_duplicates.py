"""Of an item that comes again the latest counts; other calls that share an id are not the same item."""

from __future__ import annotations

from typing import Any

from perdure.duplicates import places_of_distinct


def _call(arguments: str = "{}", **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": "c", "name": "look", "arguments": arguments, **more}


def _output(text: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": "c", "output": text}


def test_messages_may_come_twice() -> None:
    message = {"type": "message", "id": "m", "role": "user", "content": "hi"}
    assert places_of_distinct([message, message, {"role": "user", "content": "hi"}]) == [0, 1, 2]


def test_the_latest_call_stands_where_it_came_first_and_its_output_where_it_came_last() -> None:
    items = [_call(), _output("a"), {"role": "user", "content": "more"}, _call(id="fc"), _output("b")]
    assert places_of_distinct(items) == [3, 2, 4]


def test_a_call_with_other_arguments_is_another_one_and_so_is_its_output() -> None:
    items = [_call("1"), _output("a"), _call("2"), _output("b"), _call("1"), _output("c")]
    assert places_of_distinct(items) == [4, 2, 3, 5]


def test_items_without_an_id_of_the_provider_are_told_apart() -> None:
    thought = {"type": "reasoning", "id": "__fake_id__", "summary": []}
    assert places_of_distinct([thought, thought]) == [0, 1]


def test_what_no_provider_would_send_is_left_alone() -> None:
    assert places_of_distinct([{}, {"type": ["x"]}, {"type": "function_call", "call_id": 7}, {}]) == [0, 1, 2, 3]
