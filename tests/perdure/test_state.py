"""Drafts of decisions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.errors import UserError
from perdure.items import ToolApprovalItem
from perdure.result import RunResult
from perdure.state import DraftDecision, RunState

AGENT: Agent[Any] = Agent(name="Support")


def waiting(id: str, digest: str = "abc") -> ToolApprovalItem:
    data = {"type": "function_call", "call_id": f"m-{id}", "name": "pay", "arguments": '{"amount": 5}'}
    return ToolApprovalItem(AGENT, data, id=id, digest=digest)


def draft(*items: ToolApprovalItem) -> RunState[Any]:
    result = RunResult("hi", [], [], AGENT, RunContextWrapper(None), interruptions=list(items), run_id="run-1")
    return RunState(result)


def test_a_new_draft_decides_nothing() -> None:
    assert draft(waiting("1.0")).drafts == {}


def test_a_draft_holds_for_exactly_the_call_that_was_shown() -> None:
    state = draft(waiting("1.0", "abc"))
    state.approve(waiting("1.0", "abc"))
    assert state.drafts == {"1.0": DraftDecision(True, "abc")}


def test_the_last_draft_about_a_call_wins() -> None:
    item = waiting("1.0")
    state = draft(item)
    state.approve(item, always_approve=True)
    state.reject(item, rejection_message="no")
    assert state.drafts == {"1.0": DraftDecision(False, "abc", reason="no")}
    state.approve(item)
    assert state.drafts == {"1.0": DraftDecision(True, "abc")}


def test_a_draft_may_hold_for_later_calls() -> None:
    first, second = waiting("1.0"), waiting("1.1")
    state = draft(first, second)
    state.approve(first, always_approve=True)
    state.reject(second, always_reject=True, rejection_message="never")
    assert state.drafts == {
        "1.0": DraftDecision(True, "abc", always=True),
        "1.1": DraftDecision(False, "abc", always=True, reason="never"),
    }


def test_the_list_of_interruptions_is_a_copy() -> None:
    state = draft(waiting("1.0"))
    state.get_interruptions().clear()
    assert len(state.get_interruptions()) == 1


def test_a_state_survives_json() -> None:
    first, second = waiting("1.0", "abc"), waiting("1.1", "def")
    state = draft(first, second)
    state.approve(first)
    state.reject(second, always_reject=True, rejection_message="nö")
    read = RunState.from_string(AGENT, state.to_string())
    assert (read.run_id, read.drafts) == ("run-1", state.drafts)
    assert [(item.id, item.digest, item.call_id, item.arguments) for item in read.get_interruptions()] == [
        ("1.0", "abc", "m-1.0", '{"amount": 5}'),
        ("1.1", "def", "m-1.1", '{"amount": 5}'),
    ]
    assert read.to_json() == state.to_json()


def test_the_json_is_a_copy() -> None:
    item = waiting("1.0")
    state = draft(item)
    state.approve(item)
    state.to_json()["drafts"]["1.0"]["approve"] = False
    assert state.drafts["1.0"].approve


def test_a_state_that_was_read_can_be_drafted_on() -> None:
    read = RunState.from_json(AGENT, draft(waiting("1.0")).to_json())
    read.reject(read.get_interruptions()[0])
    assert read.drafts == {"1.0": DraftDecision(False, "abc")}


@pytest.mark.parametrize("version", [None, "0.9", "2.0", 1.0])
def test_a_state_of_another_schema_version_is_refused_with_both_versions(version: Any) -> None:
    data = {**draft().to_json(), "$schemaVersion": version}
    with pytest.raises(UserError, match=f"schema version {version!r}; this version reads '1.0'"):
        RunState.from_json(AGENT, data)


def test_a_state_without_a_schema_version_is_refused() -> None:
    data = draft().to_json()
    del data["$schemaVersion"]
    with pytest.raises(UserError, match="schema version None"):
        RunState.from_json(AGENT, data)


def test_a_state_of_another_agent_is_refused() -> None:
    with pytest.raises(UserError, match="Agent 'Support' of the run state is not 'Sales'"):
        RunState.from_json(Agent(name="Sales"), draft().to_json())


@pytest.mark.parametrize("missing", ["run_id", "agent", "interruptions", "drafts"])
def test_a_state_that_lacks_something_is_refused_by_its_name(missing: str) -> None:
    data = draft().to_json()
    del data[missing]
    with pytest.raises(UserError, match=f"cannot be read: KeyError.'{missing}'"):
        RunState.from_json(AGENT, data)


@pytest.mark.parametrize("drafts", [{"1.0": {}}, {"1.0": {"approve": True, "digest": "a", "x": 1}}, [], {"1.0": None}])
def test_drafts_that_are_none_are_refused(drafts: Any) -> None:
    with pytest.raises(UserError, match="Run state cannot be read"):
        RunState.from_json(AGENT, json.loads(json.dumps({**draft().to_json(), "drafts": drafts})))
