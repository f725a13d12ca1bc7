"""Whatever is sent to a run is read as what it should be, or refused with what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from perdure.contracts.messages import DecisionMessage, UpdateMessage, read_decision
from perdure.contracts.run import read_input
from perdure.errors import UserError


def test_a_decision_is_read_from_json() -> None:
    read = read_decision(DecisionMessage, {"call_id": "2.0", "by": "ana"})
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
        ({"call_id": "2.0", "reason": "x" * 20_000}, "20[0-9]{3} bytes are more than a decision may take"),
        (RawValue(Payload(metadata={"encoding": b"x/y"})), "cannot be read as JSON .b'x/y'."),
        (RawValue(Payload()), "cannot be read as JSON"),
    ],
)
def test_what_is_no_decision_is_refused_with_its_problem(value: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}") as caught:
        read_decision(DecisionMessage, value)
    assert len(str(caught.value)) <= 300


def test_an_update_needs_its_verb() -> None:
    with pytest.raises(ValueError, match="decision: Field required"):
        read_decision(UpdateMessage, {"call_id": "2.0"})


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
