"""What a new run takes over from one that has ended: the provider's conversation, policies, and standing decisions."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from perdure import Agent, RunCancelled, Runner, RunState, UserError
from perdure.result import RunResult
from perdure.testing import ScriptedModel, tool_call
from tests.agents import refund_call, scripted


def requests_of(agent: Agent[Any]) -> list[list[Any]]:
    """What the agent's model was sent, request by request."""
    assert isinstance(agent.model, ScriptedModel)
    return [request.input for request in agent.model.requests]


async def cancelled(paused: RunResult) -> None:
    run = await Runner.get(paused.run_id)
    await run.cancel()
    with pytest.raises(RunCancelled):
        await run.result()


async def test_a_run_that_is_gone_goes_on_in_the_conversation_that_the_provider_keeps() -> None:
    agent = scripted(refund_call(), "done")
    paused = await Runner.run(agent, "go", conversation_id="conv_1")
    await cancelled(paused)
    state = await RunState.from_json(agent, paused.to_state().to_json())
    state.approve(state.get_interruptions()[0])
    assert (await Runner.run(agent, state)).final_output == "done"
    assert [item.get("type", "message") for item in requests_of(agent)[-1]] == ["function_call_output"]


async def test_a_run_that_is_gone_may_go_on_in_another_conversation() -> None:
    agent = scripted(refund_call(), "done")
    paused = await Runner.run(agent, "go")
    await cancelled(paused)
    state = paused.to_state()
    state.approve(state.get_interruptions()[0])
    await Runner.run(agent, state, previous_response_id="resp_0")
    assert len(requests_of(agent)[-1]) == 1


async def test_a_fork_follows_the_answer_of_its_turn() -> None:
    agent = scripted(tool_call("add", {"a": 1, "b": 2}), tool_call("add", {"a": 3, "b": 4}), "done")
    run = await Runner.start(agent, "go", auto_previous_response_id=True)
    await run.result()
    assert (await (await run.fork(1)).result()).final_output == "done"
    assert [len(items) for items in requests_of(agent)] == [1, 1, 1, 1, 1]


async def test_a_conversation_that_the_provider_keeps_cannot_be_taken_back_by_a_fork() -> None:
    agent = scripted(tool_call("add", {"a": 1, "b": 2}), "done", "more")
    run = await Runner.start(agent, "go", conversation_id="conv_fork")
    await run.result()
    with pytest.raises(UserError, match="cannot be forked at turn 1: the provider keeps its conversation 'conv_fork'"):
        await run.fork(1)
    assert (await (await run.fork(2)).result()).final_output == "more"


async def test_a_run_under_way_is_not_moved_to_another_conversation() -> None:
    agent = scripted(refund_call(), "done")
    paused = await Runner.run(agent, "go", conversation_id="conv_here")
    state = paused.to_state()
    state.approve(state.get_interruptions()[0])
    with pytest.raises(UserError, match="its conversation cannot be moved"):
        await Runner.run(agent, state, conversation_id="conv_there")
    assert (await Runner.run(agent, state, conversation_id="conv_here")).final_output == "done"


async def test_agents_of_a_state_that_are_others_than_the_runs_are_not_used_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    agent = scripted(refund_call(), "done")
    paused = await Runner.run(agent, "go")
    changed = scripted("never", instructions="Other.")
    state = await RunState.from_json(changed, paused.to_state().to_json())
    state.approve(state.get_interruptions()[0])
    with caplog.at_level(logging.WARNING, "perdure"):
        assert (await Runner.run(changed, state)).final_output == "done"
    assert "goes on with the objects that it was started with" in caplog.text


async def test_a_decision_for_always_covers_what_was_drafted_before_it_in_a_run_that_goes_on_too() -> None:
    agent = scripted([refund_call("7"), refund_call("8")], refund_call("9"), "done")
    paused = await Runner.run(agent, "go")
    await cancelled(paused)
    state = paused.to_state()
    state.reject(state.get_interruptions()[0])
    state.approve(state.get_interruptions()[1], always_approve=True)
    result = await Runner.run(agent, await RunState.from_json(agent, state.to_json()))
    outputs = [item["output"] for item in result.to_input_list() if item.get("type") == "function_call_output"]
    assert outputs == ["refunded 40 for 7", "refunded 40 for 8", "refunded 40 for 9"]
