"""Functions of the user about handoffs: the agent that takes over, and what it gets of the conversation."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from temporalio.exceptions import ApplicationError

from perdure.agent import Agent
from perdure.contracts.run import PageEntry
from perdure.contracts.said import EditedHistory, EditedItem, HandedOff, TranscriptName
from perdure.contracts.steps import CallUserInput, CallUserOutput
from perdure.handoff import Handoff, HandoffInputData, handoff
from perdure.items import MessageOutputItem
from perdure.run_config import RunConfig
from tests.activities.workbench import ToldRun, Workbench, assistant, call_item, output_item, user

ENTRIES = [
    PageEntry(item=user("start"), kind="input", agent="A", turn=0),
    PageEntry(item=call_item("look", "c0"), kind="answer", agent="A", turn=1),
    PageEntry(item=output_item('{"n": 1}', "c0"), kind="value", agent="A", turn=1),
    PageEntry(item=assistant("handing over"), kind="answer", agent="A", turn=2),
    PageEntry(item=call_item("transfer_to_b", "c1"), kind="handoff", agent="A", turn=2),
    PageEntry(item=output_item('{"assistant": "B"}', "c1"), kind="handed_off", agent="A", turn=2, target="B"),
]
BEFORE, NEW = [1, 2], [3, 4, 5]


class Reason(BaseModel):
    why: str


def bench_of(other: Agent[Any] | Handoff[Any, Any], config: RunConfig | None = None) -> Workbench:
    agent = Agent[Any](name="A", handoffs=[other])
    return Workbench(agent, config or RunConfig(), context={"why": ""}, run=ToldRun(ENTRIES))


async def hand_off(bench: Workbench, arguments: str = "{}", tool: str = "transfer_to_b") -> CallUserOutput:
    asked = CallUserInput(**bench.step(), role="on_handoff", call=bench.call(tool, arguments))
    return await bench.do("call.on_handoff", asked)


async def edit(bench: Workbench, **more: Any) -> EditedHistory:
    name = TranscriptName(count=len(ENTRIES))
    fields: dict[str, Any] = {"transcript": name, "new_from": 3, "input_is_text": True, **more}
    asked = CallUserInput(**bench.step(), role="handoff_input_filter", call=bench.call("transfer_to_b"), **fields)
    said: CallUserOutput = await bench.do("call.handoff_input_filter", asked)
    assert said.edited is not None
    return said.edited


def places(items: list[EditedItem] | None) -> list[int | None]:
    assert items is not None
    return [item.place for item in items]


async def test_a_handoffs_function_gets_its_input() -> None:
    def told(context: Any, reason: Reason) -> None:
        context.context["why"] = reason.why

    bench = bench_of(handoff(Agent(name="B"), on_handoff=told, input_type=Reason))
    said = await hand_off(bench, '{"why": "angry"}')
    assert said.handed_off == HandedOff(agent="B")
    assert said.context_changes == {"why": "angry"}


async def test_an_input_that_does_not_fit_is_the_models_mistake() -> None:
    bench = bench_of(handoff(Agent(name="B"), on_handoff=lambda context, reason: None, input_type=Reason))
    with pytest.raises(ApplicationError) as raised:
        await hand_off(bench, "{}")
    assert (raised.value.type, raised.value.non_retryable) == ("ModelBehaviorError", True)


async def test_an_agent_from_nowhere_comes_with_its_definition_and_is_known_from_then_on() -> None:
    made = Agent[Any](name="Made", instructions="Just made.")

    async def invoke(context: Any, arguments: str) -> Agent[Any]:
        return made

    custom = Handoff("somewhere", "Away.", {}, invoke, "Made", strict_json_schema=False)
    bench = bench_of(custom)
    said = await hand_off(bench, tool="somewhere")
    assert said.handed_off is not None
    assert said.handed_off.agent == "Made"
    assert said.handed_off.definitions["Made"].instructions == "Just made."
    assert bench.served.agent("run", "A", "Made") is made


async def test_what_is_no_agent_cannot_take_over() -> None:
    async def invoke(context: Any, arguments: str) -> Any:
        return "B"

    with pytest.raises(ApplicationError, match="Return an Agent"):
        await hand_off(bench_of(Handoff("away", "", {}, invoke, "B", strict_json_schema=False)), tool="away")


async def test_a_filter_gets_the_input_what_came_before_and_this_turn() -> None:
    seen: list[Any] = []

    def look(data: HandoffInputData) -> HandoffInputData:
        before = [item.type for item in data.pre_handoff_items]
        seen.extend((data.input_history, before, [item.type for item in data.new_items]))
        return data

    edited = await edit(bench_of(handoff(Agent(name="B"), input_filter=look)))
    assert seen == [
        "start",
        ["tool_call_item", "tool_call_output_item"],
        ["message_output_item", "handoff_call_item", "handoff_output_item"],
    ]
    assert (places(edited.input), edited.input_is_text) == ([0], True)
    assert (places(edited.before), places(edited.new), edited.shown) == (BEFORE, NEW, None)


async def test_what_a_filter_takes_out_of_earlier_turns_is_not_shown_but_stays_said() -> None:
    def drop(data: HandoffInputData) -> HandoffInputData:
        return data.clone(pre_handoff_items=(), new_items=data.new_items[-1:])

    edited = await edit(bench_of(handoff(Agent(name="B"), input_filter=drop)))
    assert (places(edited.before), places(edited.new), places(edited.shown)) == (BEFORE, [5], [5])


async def test_input_items_of_a_filter_are_shown_in_place_of_the_turns_items() -> None:
    def show_less(data: HandoffInputData) -> HandoffInputData:
        return data.clone(input_items=data.new_items[:1])

    edited = await edit(bench_of(Agent(name="B"), RunConfig(handoff_input_filter=show_less)))
    assert (places(edited.new), places(edited.shown)) == (NEW, [*BEFORE, 3])


async def test_new_items_of_a_filter_come_whole_and_copies_by_place() -> None:
    def rewrite(data: HandoffInputData) -> HandoffInputData:
        first = data.new_items[0]
        copy = MessageOutputItem(first.agent, dict(first.to_input_item()))
        return data.clone(
            input_history=(user("rewritten"),), new_items=(copy, MessageOutputItem(first.agent, assistant("new")))
        )

    edited = await edit(bench_of(handoff(Agent(name="B"), input_filter=rewrite)))
    assert edited.input == [EditedItem(item=user("rewritten"), kind="input")]
    assert not edited.input_is_text
    assert edited.new == [EditedItem(place=3), EditedItem(item=assistant("new"), kind="answer", agent="A")]


async def test_a_filter_that_returns_something_else_is_the_users_error() -> None:
    wrong: Any = handoff(Agent[Any](name="B"), input_filter=lambda data: None)  # type: ignore[return-value]  the mistake under test
    with pytest.raises(ApplicationError) as raised:
        await edit(bench_of(wrong))
    assert raised.value.type == "UserError"


async def test_nesting_shows_a_summary_and_keeps_what_was_said() -> None:
    edited = await edit(bench_of(Agent(name="B")), nest=True)
    assert (places(edited.before), places(edited.new)) == (BEFORE, NEW)
    assert edited.shown == []
    assert "<CONVERSATION HISTORY>" in str(edited.input[0].item)
    assert not edited.input_is_text


async def test_a_mapper_of_the_user_makes_the_nested_history() -> None:
    config = RunConfig(handoff_history_mapper=lambda transcript: [user(f"{len(transcript)} items")])
    edited = await edit(bench_of(Agent(name="B"), config), nest=True)
    assert [item.item for item in edited.input] == [user("6 items")]


async def test_an_agent_that_only_a_function_gives_is_refused_like_any_other() -> None:
    async def given(context: Any, arguments: str) -> Agent[Any]:
        return Agent(name="Late", mcp_servers=[object()])

    own = Handoff[Any, Any]("transfer_to_b", "", {}, given, "B")
    with pytest.raises(ApplicationError, match="Agent 'Late' sets mcp_servers") as raised:
        await hand_off(bench_of(own))
    assert (raised.value.type, raised.value.non_retryable) == ("UserError", True)
