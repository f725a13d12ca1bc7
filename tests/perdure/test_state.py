"""States of runs: drafts of decisions, and JSON."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.errors import UserError
from perdure.items import ToolApprovalItem
from perdure.result import ResultSource, RunResult
from perdure.state import DraftDecision, RunState

INNER: Agent[Any] = Agent(name="Inner")
AGENT: Agent[Any] = Agent(name="Support", handoffs=[Agent(name="Billing")])


def waiting(id: str, digest: str = "abc", agent: Agent[Any] = AGENT) -> ToolApprovalItem:
    data = {"type": "function_call", "call_id": f"m-{id}", "name": "pay", "arguments": '{"amount": 5}'}
    return ToolApprovalItem(agent, data, id=id, digest=digest)


def draft(*items: ToolApprovalItem, context: Any = None, **document: Any) -> RunState[Any]:
    result = RunResult(
        "hi",
        [],
        [],
        AGENT,
        RunContextWrapper(context),
        interruptions=list(items),
        run_id="run-1",
        source=ResultSource(document=lambda: document),
    )
    return result.to_state()


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


def test_a_draft_is_about_calls_of_its_own_run() -> None:
    state = draft(waiting("1.0"))
    other = ToolApprovalItem(AGENT, waiting("1.0").data, id="1.0", digest="abc", run_id="run-2")
    for decide in (state.approve, state.reject):
        with pytest.raises(UserError, match=r"waits in run 'run-2', not in run 'run-1'"):
            decide(other)
    assert state.drafts == {}


def test_what_is_added_keeps_its_order_and_is_a_copy() -> None:
    state, given = draft(waiting("1.0")), [{"role": "user", "content": "two"}]
    state.add_input("one")
    state.add_input(given)
    state.add_input([])
    given[0]["content"] = "changed"
    state.pending_input.clear()
    assert state.pending_input == [{"content": "one", "role": "user"}, {"role": "user", "content": "two"}]
    assert len({each.message_id for each in state.inputs}) == 2


def test_what_was_sent_already_comes_before_what_is_added() -> None:
    sent = [{"message_id": "m1", "items": [{"role": "user", "content": "sent"}], "by": None}]
    state = draft(waiting("1.0"), inputs=sent)
    state.add_input("added")
    assert [item["content"] for item in state.pending_input] == ["sent", "added"]


def test_what_is_cleared_is_taken_back_also_where_it_was_sent() -> None:
    state = draft(waiting("1.0"), inputs=[{"message_id": "m1", "items": [{"role": "user", "content": "sent"}]}])
    state.add_input("added")
    [added] = state.inputs
    state.clear_pending_input()
    state.clear_pending_input()
    state.add_input("instead")
    assert [item["content"] for item in state.pending_input] == ["instead"]
    assert [each.withdraw for each in state.inputs] == [["m1", added.message_id], []]


def test_clearing_where_nothing_is_pending_leaves_nothing_to_send() -> None:
    state = draft(waiting("1.0"))
    state.clear_pending_input()
    assert state.inputs == []


def _at(behavior: dict[str, Any], *called: str, handoffs: Any = ()) -> dict[str, Any]:
    """A run's document where the agent has such a tool_use_behavior and the open turn made these calls."""
    root = {"agent": "A", "calls": [{"item": {"name": name}} for name in called], "handoffs": list(handoffs)}
    return {"frozen": {"root": root, "snapshot": {"agents": {"A": behavior}}}}


TERMINAL = "Cannot add input to a terminal RunState"
NO_TURN = "Cannot add input to a RunState with no remaining model turns"
MAY_END = "Cannot add input to an interrupted RunState whose tool result may end the run"
STOPS_AT_LOOK = {"tool_use": "stop_at", "stop_at": ["look"]}


@pytest.mark.parametrize(
    ("items", "document", "text"),
    [
        ([], {}, TERMINAL),
        (["1.0"], {"turn": 3, "max_turns": 3}, NO_TURN),
        (["1.0"], _at({"tool_use": "stop_on_first_tool"}, "pay"), MAY_END),
        (["1.0"], _at({"tool_use": "rule"}, "pay"), MAY_END),
        (["1.0"], _at({"tool_use": "stop_at", "stop_at": ["pay"]}, "pay"), MAY_END),
        (["1.0"], _at(STOPS_AT_LOOK, "pay", "look"), MAY_END),
        (["1.0"], _at({"tool_use": "rule"}, "pay", handoffs=[{}]), MAY_END),
    ],
)
def test_nothing_is_added_where_the_model_might_not_be_asked_again(
    items: list[str], document: dict[str, Any], text: str
) -> None:
    state = draft(*(waiting(each) for each in items), **document)
    with pytest.raises(UserError, match=f"^{text}$"):
        state.add_input("and a bag")
    assert state.pending_input == []


@pytest.mark.parametrize(
    "document",
    [
        {"turn": 2, "max_turns": 3},
        {"turn": 30, "max_turns": None},
        _at({}, "pay"),
        _at(STOPS_AT_LOOK, "pay"),
        _at(STOPS_AT_LOOK, "pay", "look", handoffs=[{}]),
    ],
)
def test_input_is_added_where_the_model_is_asked_again(document: dict[str, Any]) -> None:
    state = draft(waiting("1.0"), **document)
    state.add_input("and a bag")
    assert state.pending_input == [{"content": "and a bag", "role": "user"}]


async def test_what_was_added_survives_json_under_its_name() -> None:
    state = draft(waiting("1.0"))
    state.add_input("one")
    state.clear_pending_input()
    state.add_input("two")
    read = await RunState.from_string(AGENT, state.to_string())
    assert read.inputs == state.inputs
    assert read.to_json() == state.to_json()
    state.to_json()["added"][1]["items"].clear()
    assert state.pending_input == [{"content": "two", "role": "user"}]


async def test_a_state_from_before_input_could_be_added_is_read() -> None:
    data = draft(waiting("1.0")).to_json()
    del data["added"]
    assert (await RunState.from_json(AGENT, data)).pending_input == []


def test_a_draft_may_hold_for_later_calls() -> None:
    first, second = waiting("1.0"), waiting("1.1")
    state = draft(first, second)
    state.approve(first, always_approve=True)
    state.reject(second, rejection_message="not this one")
    assert state.drafts == {
        "1.0": DraftDecision(True, "abc", always=True),
        "1.1": DraftDecision(False, "abc", reason="not this one"),
    }


def test_a_draft_for_always_is_the_last_one_about_all_calls_of_the_tool_that_wait_beside_it() -> None:
    first, second, inside = waiting("1.0"), waiting("1.1"), waiting("1.2/1.0")
    state = draft(first, second, inside)
    for item in (first, inside):
        state.approve(item, always_approve=True)
    state.reject(second, always_reject=True, rejection_message="never")
    assert state.drafts == {
        "1.1": DraftDecision(False, "abc", always=True, reason="never"),
        "1.2/1.0": DraftDecision(True, "abc", always=True),
    }


def test_the_list_of_interruptions_is_a_copy() -> None:
    state = draft(waiting("1.0"))
    state.get_interruptions().clear()
    assert len(state.get_interruptions()) == 1


def test_drafts_of_two_states_of_one_result_do_not_meet() -> None:
    result = RunResult("hi", [], [], AGENT, RunContextWrapper(None), interruptions=[waiting("1.0")], run_id="run-1")
    first, second = result.to_state(), result.to_state()
    first.approve(waiting("1.0"))
    assert second.drafts == {}


async def test_a_state_survives_json() -> None:
    first, second = waiting("1.0", "abc"), waiting("1.1", "def")
    state = draft(first, second, turn=3, entries=[{"x": 1}])
    state.approve(first)
    state.reject(second, always_reject=True, rejection_message="nö")
    read = await RunState.from_string(AGENT, state.to_string())
    assert (read.run_id, read.drafts) == ("run-1", state.drafts)
    assert [(item.id, item.digest, item.call_id, item.arguments) for item in read.get_interruptions()] == [
        ("1.0", "abc", "m-1.0", '{"amount": 5}'),
        ("1.1", "def", "m-1.1", '{"amount": 5}'),
    ]
    assert read.to_json() == state.to_json()
    assert read.document["entries"] == [{"x": 1}]


def test_the_json_is_a_copy() -> None:
    item = waiting("1.0")
    state = draft(item)
    state.approve(item)
    data = state.to_json()
    data["drafts"]["1.0"]["approve"] = False
    data["interruptions"][0]["item"]["name"] = "other"
    assert state.drafts["1.0"].approve
    assert item.name == "pay"


async def test_a_state_that_was_read_can_be_drafted_on() -> None:
    read = await RunState.from_json(AGENT, draft(waiting("1.0")).to_json())
    read.reject(read.get_interruptions()[0])
    assert read.drafts == {"1.0": DraftDecision(False, "abc")}


@pytest.mark.parametrize("version", [None, "0.9", "1.0", 2.0])
async def test_a_state_of_another_schema_version_is_refused_with_both_versions(version: Any) -> None:
    data = {**draft().to_json(), "$schemaVersion": version}
    with pytest.raises(UserError, match=rf"schema version {version!r}; this version reads '2\.0'"):
        await RunState.from_json(AGENT, data)


async def test_a_state_without_a_schema_version_is_refused() -> None:
    data = draft().to_json()
    del data["$schemaVersion"]
    with pytest.raises(UserError, match="schema version None"):
        await RunState.from_json(AGENT, data)


async def test_agents_are_found_by_key_wherever_the_initial_one_leads_to() -> None:
    outer = Agent[Any](name="Outer", tools=[INNER.as_tool("inner", "d")], handoffs=[AGENT])
    read = await RunState.from_json(outer, draft(waiting("1.0/1.0", agent=INNER), agent="Billing").to_json())
    assert read.get_interruptions()[0].agent is INNER


async def test_an_agent_that_the_initial_one_does_not_lead_to_is_refused() -> None:
    with pytest.raises(UserError, match="Agent 'Support' of the run state cannot be found from 'Sales'"):
        await RunState.from_json(Agent(name="Sales"), draft().to_json())
    with pytest.raises(UserError, match="Agent 'Inner' of the run state cannot be found from 'Support'"):
        await RunState.from_json(AGENT, draft(waiting("1.0", agent=INNER)).to_json())


@pytest.mark.parametrize("missing", ["run_id", "agent", "interruptions", "drafts", "context"])
async def test_a_state_that_lacks_something_is_refused_by_its_name(missing: str) -> None:
    data = draft().to_json()
    del data[missing]
    with pytest.raises(UserError, match=rf"cannot be read: KeyError.'{missing}'"):
        await RunState.from_json(AGENT, data)


@pytest.mark.parametrize("drafts", [{"1.0": {}}, {"1.0": {"approve": True, "digest": "a", "x": 1}}, [], {"1.0": None}])
async def test_drafts_that_are_none_are_refused(drafts: Any) -> None:
    with pytest.raises(UserError, match="Run state cannot be read"):
        await RunState.from_json(AGENT, json.loads(json.dumps({**draft().to_json(), "drafts": drafts})))


@pytest.mark.parametrize("text", ["no json", "[]", "null"])
async def test_a_string_that_holds_no_state_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="Run state cannot be read"):
        await RunState.from_string(AGENT, text)


class Shop(BaseModel):
    sold: int = 0


@dataclass
class Till:
    open: bool = False


class Wire:
    name = "x"


@pytest.mark.parametrize(
    ("context", "kind", "value"),
    [
        (None, "none", None),
        ({"sold": 1, "_door": object()}, "mapping", {"sold": 1}),
        (Shop(sold=2), "serialized", {"sold": 2}),
        (Till(open=True), "serialized", {"open": True}),
        (Wire(), "omitted", {}),
    ],
)
def test_a_context_is_kept_as_its_data(context: Any, kind: str, value: Any) -> None:
    saved = draft(context=context).to_json()["context"]
    assert (saved["kind"], saved["value"]) == (kind, value)


@pytest.mark.parametrize("context", [Shop(), Wire()])
def test_a_context_that_loses_its_type_is_warned_of_or_refused(context: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "perdure"):
        draft(context=context).to_json()
    assert len(caplog.records) == 1
    with pytest.raises(UserError, match="strict_context wants a mapping"):
        draft(context=context).to_json(strict_context=True)


def test_a_serializer_makes_the_data_of_a_context_that_is_no_mapping() -> None:
    state = draft(context=Wire())
    saved = state.to_json(context_serializer=lambda wire: {"name": wire.name}, strict_context=True)["context"]
    assert (saved["kind"], saved["value"]) == ("serialized", {"name": "x"})
    with pytest.raises(UserError, match="context_serializer returned a str"):
        state.to_json(context_serializer=lambda wire: wire.name)


async def test_a_context_comes_back_as_the_reader_says() -> None:
    data = draft(context=Shop(sold=2)).to_json()
    plain = await RunState.from_json(AGENT, data)
    made = await RunState.from_json(AGENT, data, context_deserializer=lambda value: Shop(**value))
    given = await RunState.from_json(AGENT, data, context_override=RunContextWrapper(Till()))
    assert (plain.context, made.context, given.context) == ({"sold": 2}, Shop(sold=2), Till())
    assert [state.context_is_given for state in (plain, made, given)] == [False, True, True]


async def test_a_strict_reader_refuses_a_context_that_lost_its_type() -> None:
    data = draft(context=Shop(sold=2)).to_json()
    with pytest.raises(UserError, match="was a Shop and is plain data now: give a context_deserializer"):
        await RunState.from_json(AGENT, data, strict_context=True)
    await RunState.from_json(AGENT, data, strict_context=True, context_override=Shop())
    mapping = await RunState.from_json(AGENT, draft(context={"x": 1}).to_json(), strict_context=True)
    assert mapping.context == {"x": 1}


async def test_what_a_deserializer_raises_is_raised_as_it_is() -> None:
    data = draft(context=Shop()).to_json()
    with pytest.raises(KeyError, match="missing"):
        await RunState.from_json(AGENT, data, context_deserializer=lambda value: value["missing"])
