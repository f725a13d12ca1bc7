"""Whatever is sent to a run is read as what it should be, or refused with what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from perdure.contracts.messages import DecisionMessage, UpdateMessage, read_message, read_send
from perdure.contracts.run import read_input
from perdure.errors import UserError


def test_a_decision_is_read_from_json() -> None:
    read = read_message(DecisionMessage, {"call_id": "2.0", "by": "ana"})
    assert read == DecisionMessage(call_id="2.0", by="ana")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "value: "),
        ("2.0", "value: "),
        ([], "value: "),
        ({}, "call_id: Field required"),
        ({"call_id": 2.0}, "call_id: "),
        ({"call_id": "2.0", "allways": True}, "allways: "),
        ({"call_id": "\ud83d"}, "'utf-8' codec"),
        ({"call_id": "2.0", "reason": "x" * 20_000}, "20[0-9]{3} bytes are more than a message may take"),
        (RawValue(Payload(metadata={"encoding": b"x/y"})), "cannot be read as JSON .b'x/y'."),
        (RawValue(Payload()), "cannot be read as JSON"),
    ],
)
def test_what_is_no_decision_is_refused_with_its_problem(value: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}") as caught:
        read_message(DecisionMessage, value)
    assert len(str(caught.value)) <= 300


def test_an_update_needs_its_verb() -> None:
    with pytest.raises(ValueError, match="decision: Field required"):
        read_message(UpdateMessage, {"call_id": "2.0"})


def test_input_for_a_run_under_way_is_a_text_or_items() -> None:
    items = [{"type": "message", "role": "user", "content": "hi"}]
    assert read_send({"message_id": "m1", "input": "hi"}).items == [{"content": "hi", "role": "user"}]
    assert read_send({"message_id": "m1", "input": items}).items == items
    assert read_send({"message_id": "m1", "withdraw": ["m0"]}).items == []


def _nested(depth: int) -> Any:
    return [] if not depth else [_nested(depth - 1)]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"message_id": "\ud83d", "input": "hi"}, "message_id: Input should be a valid string"),
        ({"message_id": "m1", "input": "\ud83d"}, "'utf-8' codec"),
        ({"message_id": "m1", "input": [{"role": "user", "content": _nested(150)}]}, "A JSON value is nested"),
        ({"message_id": "m1", "input": [{"role": "user", "content": 2**12_001}]}, "An integer of 12002 bits"),
        (RawValue(Payload()), "cannot be read as JSON"),
    ],
)
def test_what_cannot_be_said_to_a_run_is_refused_with_its_problem(value: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}"):
        read_send(value)


def test_a_runs_input_needs_an_agent_and_input_items() -> None:
    read = read_input({"agent": "Support", "input": [{"role": "user", "content": "hi"}]})
    assert (read.agent, read.max_turns, read.snapshot, read.settings.tool_output_format) == (
        "Support",
        10,
        None,
        "json",
    )


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "value"),
        ("Support", "value"),
        ({}, "agent: Field required"),
        ({"agent": "Support", "input": "hi"}, "input"),
        ({"agent": "Support", "input": ["hi"]}, "input.0"),
        ({"agent": "Support", "input": [], "max_turns": "many"}, "max_turns"),
        ({"agent": "Support", "input": [], "settings": {"tool_output_format": "yaml"}}, "settings.tool_output_format"),
        (RawValue(Payload()), "value"),
    ],
)
def test_what_is_no_input_is_refused_with_its_problem(value: Any, problem: str) -> None:
    with pytest.raises(UserError, match=f"an input that it cannot read: {problem}"):
        read_input(value)
