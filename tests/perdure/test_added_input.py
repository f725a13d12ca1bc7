"""Input that is added to a state is said once: by the run that waits, or by a new one where that is gone."""

from __future__ import annotations

from typing import Any

import pytest

from perdure import Agent, RunCancelled, RunConfig, Runner, RunResult, RunState, UserError
from perdure.testing import ScriptedModel, tool_call
from tests.agents import refund_call, scripted


def inputs_of(agent: Agent[Any]) -> list[list[str]]:
    """What the user said in each request to the agent's model."""
    assert isinstance(agent.model, ScriptedModel)
    return [[item["content"] for item in each.input if item.get("role") == "user"] for each in agent.model.requests]


def approved(paused: RunResult, *inputs: str) -> RunState[Any]:
    """The state of a paused run with all calls approved and these inputs."""
    state = paused.to_state()
    for each in inputs:
        state.add_input(each)
    for item in state.get_interruptions():
        state.approve(item)
    return state


async def cancelled(paused: RunResult) -> None:
    run = await Runner.get(paused.run_id)
    await run.cancel()
    with pytest.raises(RunCancelled):
        await run.result()


async def test_a_state_that_is_run_twice_says_its_input_once() -> None:
    agent = scripted(refund_call(), "done")
    state = approved(await Runner.run(agent, "go"), "and a bag")
    kept = state.to_json()
    first = await Runner.run(agent, state)
    again = await Runner.run(agent, await RunState.from_json(agent, kept))
    assert (first.run_id, first.final_output) == (again.run_id, again.final_output)
    assert inputs_of(agent) == [["go"], ["go", "and a bag"]]


async def test_a_state_that_was_sent_before_a_crash_says_its_input_once_in_a_run_that_still_waits() -> None:
    agent = scripted([refund_call("7"), refund_call("8")], "done")
    state = (await Runner.run(agent, "go")).to_state()
    state.add_input("and a bag")
    kept = state.to_json()
    for _ in range(2):
        paused = await Runner.run(agent, await RunState.from_json(agent, kept))
    assert [item["content"] for item in paused.to_state().pending_input] == ["and a bag"]
    await Runner.run(agent, approved(paused))
    assert inputs_of(agent)[-1] == ["go", "and a bag"]


async def test_a_new_run_says_what_was_added_where_the_run_is_gone_and_says_it_once() -> None:
    agent = scripted(refund_call(), "done")
    paused = await Runner.run(agent, "go")
    state = approved(paused, "one", "two")
    await cancelled(paused)
    first = await Runner.run(agent, state)
    again = await Runner.run(agent, await RunState.from_json(agent, state.to_json()))
    assert first.run_id == again.run_id != paused.run_id
    assert inputs_of(agent) == [["go"], ["go", "one", "two"]]
    assert [item.type for item in first.new_items][-3:] == ["input_item", "input_item", "message_output_item"]


async def test_a_new_run_says_what_the_run_that_is_gone_had_been_sent() -> None:
    agent = scripted([refund_call("7"), refund_call("8")], "done")
    first = await Runner.run(agent, "go")
    state = first.to_state()
    state.add_input("first")
    second = await Runner.run(agent, state)
    await (await Runner.get(first.run_id)).send("by somebody", by="ana")
    await cancelled(first)
    result = await Runner.run(agent, approved(second, "last"))
    assert result.final_output == "done"
    assert inputs_of(agent)[-1] == ["go", "first", "by somebody", "last"]


async def test_a_new_run_does_not_say_what_was_taken_back() -> None:
    agent = scripted([refund_call("7"), refund_call("8")], "done")
    first = await Runner.run(agent, "go")
    state = first.to_state()
    state.add_input("wrong")
    second = await Runner.run(agent, state)
    await cancelled(first)
    state = approved(second)
    state.clear_pending_input()
    state.add_input("right")
    await Runner.run(agent, state)
    assert inputs_of(agent)[-1] == ["go", "right"]


async def test_what_was_said_before_a_failure_is_not_said_again() -> None:
    failure = ValueError("no")
    agent = scripted(refund_call(), tool_call("add", {"a": 1, "b": 2}), failure, "done")
    state = approved(await Runner.run(agent, "go"), "once")
    with pytest.raises(ValueError, match="no"):
        await Runner.run(agent, state)
    assert (await Runner.run(agent, state)).final_output == "done"
    assert inputs_of(agent)[-1] == ["go", "once"]


async def test_input_for_a_run_that_has_its_result_without_it_is_refused() -> None:
    agent = scripted(refund_call(), "done")
    paused = await Runner.run(agent, "go")
    await Runner.run(agent, approved(paused))
    with pytest.raises(UserError, match="has ended before the input that was added to its state was sent to it"):
        await Runner.run(agent, approved(paused, "too late"))
    assert inputs_of(agent)[-1] == ["go"]


async def test_too_much_for_a_new_run_is_refused_not_dropped() -> None:
    agent = scripted(refund_call(), "done")
    paused = await Runner.run(agent, "go")
    await cancelled(paused)
    with pytest.raises(UserError, match="bytes of input would wait"):
        await Runner.run(agent, approved(paused, *["x" * 60_000] * 4))


TRACE = {"trace_id": "trace_1", "trace_metadata": {"shop": 7}, "trace_include_sensitive_data": True}


async def test_the_settings_of_a_run_are_part_of_its_state_and_hold_in_a_new_run() -> None:
    agent = scripted(refund_call(), "done", "more")
    paused = await Runner.run(agent, "go", run_config=RunConfig(**TRACE, group_id="chat", workflow_name="Shop"))
    kept = paused.to_state().to_json()
    assert kept["settings"] == {**TRACE, "group_id": "chat", "workflow_name": "Shop"}
    await cancelled(paused)
    state = await RunState.from_json(agent, kept)
    state.approve(state.get_interruptions()[0])
    explicit = RunConfig(trace_id="trace_2", group_id="other")
    result = await Runner.run(agent, state, run_config=explicit)
    expected = {**TRACE, "trace_id": "trace_2", "group_id": "other", "workflow_name": "Shop"}
    assert result.to_state().document["settings"] == expected


async def test_what_traces_are_told_may_change_with_the_state_of_a_run_under_way() -> None:
    agent = scripted(refund_call(), "done")
    paused = await Runner.run(agent, "go", run_config=RunConfig(**TRACE))
    result = await Runner.run(agent, approved(paused), run_config=RunConfig(trace_id="trace_2"))
    assert result.to_state().document["settings"] == TRACE


async def test_a_run_by_default_has_no_settings_to_keep() -> None:
    agent = scripted(refund_call(), "done")
    paused = await Runner.run(agent, "go")
    assert paused.to_state().document["settings"] == {}


@pytest.mark.parametrize("metadata", [{"x": object()}, {"x": "y" * 20_000}])
async def test_metadata_that_cannot_travel_is_refused_before_the_start(metadata: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="run_config cannot travel: trace_metadata"):
        await Runner.run(scripted("done"), "go", run_config=RunConfig(trace_metadata=metadata))
