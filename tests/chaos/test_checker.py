"""The checker is worth something: it complains about each thing that must not happen."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from perdure.contracts.run import PageEntry
from tests.activities.loopback import text_item
from tests.chaos.checker import NOT_DONE, Evidence, complaints_about_effects, complaints_about_transcript, key_of
from tests.chaos.ledger import Books
from tests.chaos.plans import Plan, PlannedCall, plan_of, plans_of_thread
from tests.chaos.provider import BrokenConversation, answer

APPROVED = PlannedCall("1.0", "charge", {"item": "a", "amount": 90}, approve=True)
REJECTED = PlannedCall("1.1", "charge", {"item": "b", "amount": 90}, approve=False)
MAILED = PlannedCall("1.2", "mail", {"item": "c"}, approve=True)
LOOKED_UP = PlannedCall("1.3", "look_up", {"item": "d"}, approve=None)
SETTLED = PlannedCall("1.4", "settle", {"item": "e"}, approve=None)
PLAN = Plan(0, 0, [[APPROVED, REJECTED, MAILED, LOOKED_UP, SETTLED]])
GOOD = Evidence(
    plan=PLAN,
    key="run/1",
    outputs={call.model_id: call.answer for call in PLAN.calls},
    unknown=[],
    decided={"1.0": "approved by ana at 9", "1.1": "rejected by ana at 9: no", "1.2": "approved by ana at 9"},
)
LOST = replace(GOOD, outputs={**GOOD.outputs, MAILED.model_id: f"{NOT_DONE}: …"})


def books(effects: dict[str, int]) -> Books:
    usual = {"charge 1.0": 1, "mail 1.2": 1, "look_up 1.3": 1, "settle 1.4": 1}
    by_id = {call.id: call for call in PLAN.calls}
    keys: Counter[tuple[str, str]] = Counter()
    for name, count in (usual | effects).items():
        tool, _, call_id = name.partition(" ")
        keys[tool, key_of(by_id[call_id], "run/1")] = count
    return Books(Counter(), keys, refused=0)


@pytest.mark.parametrize(
    ("evidence", "effects"),
    [(GOOD, {}), (GOOD, {"look_up 1.3": 2}), (LOST, {"mail 1.2": 0})],
)
def test_what_tools_promise_is_no_reason_to_complain(evidence: Evidence, effects: dict[str, int]) -> None:
    assert list(complaints_about_effects(evidence, books(effects))) == []


@pytest.mark.parametrize(
    ("evidence", "effects"),
    [
        (GOOD, {"charge 1.0": 2}),
        (GOOD, {"charge 1.0": 0}),
        (GOOD, {"charge 1.1": 1}),
        (GOOD, {"mail 1.2": 2}),
        (GOOD, {"mail 1.2": 0}),
        (LOST, {"mail 1.2": 2}),
        (GOOD, {"look_up 1.3": 0}),
        (LOST, {}),
        (GOOD, {"settle 1.4": 2}),
        (GOOD, {"settle 1.4": 0}),
        (replace(GOOD, unknown=["1.2"]), {}),
        (replace(GOOD, outputs={**GOOD.outputs, APPROVED.model_id: f"{NOT_DONE}: …"}), {}),
        (replace(GOOD, decided={**GOOD.decided, "1.1": "approved by eve at 9"}), {}),
        (replace(GOOD, decided={**GOOD.decided, "1.3": "approved by eve at 9"}), {}),
    ],
)
def test_each_broken_promise_is_a_complaint(evidence: Evidence, effects: dict[str, int]) -> None:
    assert len(list(complaints_about_effects(evidence, books(effects)))) >= 1


def conversation(plan: Plan) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = [{"role": "user", "content": plan.text}]
    for turn in plan.turns:
        items += [call.item for call in turn]
        items += [{"type": "function_call_output", "call_id": call.model_id, "output": ""} for call in turn]
    return items


def test_the_provider_refuses_a_conversation_that_lacks_repeats_or_swaps_an_item() -> None:
    items = conversation(plan_of(1, 1))
    assert answer(items)[1][0]["type"] == "message"
    for broken in (items[:2] + items[3:], [*items[:3], *items[2:]], [items[0], items[2], items[1], *items[3:]]):
        with pytest.raises(BrokenConversation):
            answer(broken)


def test_a_call_without_output_in_the_transcript_is_a_complaint() -> None:
    items: list[dict[str, Any]] = [{"role": "user"}, *(call.item for call in PLAN.calls)]
    items += [{"type": "function_call_output", "call_id": call.model_id} for call in PLAN.calls] + [{"type": "message"}]
    entries = [PageEntry(item=item, kind="answer", agent="Clerk", turn=1) for item in items]
    assert list(complaints_about_transcript([PLAN], entries)) == []
    for place in range(len(entries)):
        assert len(list(complaints_about_transcript([PLAN], entries[:place] + entries[place + 1 :]))) == 1


def test_the_provider_refuses_a_thread_that_lacks_or_repeats_an_item_or_a_message() -> None:
    items: list[dict[str, Any]] = []
    for plan in plans_of_thread(1, 1):
        items += [*conversation(plan), text_item(plan.final_output)]
        assert answer(items[:-1])[1] == [text_item(plan.final_output)]
    items.pop()
    said = [place for place, item in enumerate(items) if item.get("role") == "user"]
    for place in range(len(items)):
        for broken in (items[:place] + items[place + 1 :], [*items[: place + 1], *items[place:]]):
            with pytest.raises(BrokenConversation):
                answer(broken)
    for first, second in itertools.pairwise([*said, len(items)]):
        with pytest.raises(BrokenConversation):
            answer([*items[:second], *items[first:]])
