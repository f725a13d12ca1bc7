"""A long run goes on in new histories, and nobody notices: not its result, its messages, its approvals, its clients."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from perdure import (
    Agent,
    GuardrailFunctionOutput,
    HandoffInputData,
    InputGuardrail,
    RunCancelled,
    RunConfig,
    RunContextWrapper,
    Runner,
    RunResult,
    RunState,
    ToolCallOutputItem,
    function_tool,
    handoff,
)
from perdure.client.host import Host
from perdure.testing import ScriptedModel, message, tool_call
from tests.agents import add, refund, refund_call, scripted

SHORT = 20  # events; a turn with a call makes 12
TURNS = 6


def transfer(name: str) -> dict[str, Any]:
    return tool_call(f"transfer_to_{name.lower()}", {})


def adding(first: int, count: int) -> list[Any]:
    return [[message(f"turn {n}"), tool_call("add", {"a": n, "b": n})] for n in range(first, first + count)]


async def executions_of(run_id: str) -> list[Any]:
    """The run's executions, oldest first."""
    host = Host.current()

    async def ask() -> list[Any]:
        client: Client = (await host.connection()).client
        found = [each async for each in client.list_workflows(f'WorkflowId = "{run_id}"')]
        return sorted(found, key=lambda each: each.start_time)

    for _ in range(100):
        found = await host.call(ask())
        if found and found[-1].status is not WorkflowExecutionStatus.CONTINUED_AS_NEW:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"{run_id} is not listed")


async def types_of(run_id: str) -> set[str]:
    """The types of all activities of the run."""
    host = Host.current()

    async def ask() -> set[str]:
        client: Client = (await host.connection()).client
        found: set[str] = set()
        async for each in client.list_workflows(f'WorkflowId = "{run_id}"'):
            async for event in client.get_workflow_handle(run_id, run_id=each.run_id).fetch_history_events():
                found.add(event.activity_task_scheduled_event_attributes.activity_type.name)
        return found

    return await host.call(ask())


def told(result: RunResult) -> dict[str, Any]:
    """All that a result tells, as plain data."""
    return {
        "final": result.final_output,
        "items": [(item.type, item.agent.name, item.to_input_item()) for item in result.new_items],
        "answers": [[item.to_json() for item in each.output] for each in result.raw_responses],
        "ids": [each.response_id for each in result.raw_responses],
        "input": result.to_input_list(),
        "normalized": result.to_input_list(mode="normalized"),
        "last": result.last_agent.name,
        "usage": [vars(each) for each in result.context_wrapper.usage.request_usage_entries],
    }


def requests_of(agent: Agent[Any]) -> list[Any]:
    assert isinstance(agent.model, ScriptedModel)
    return [request.input for request in agent.model.requests]


async def both(make: Any, *, least: int, **options: Any) -> tuple[str, RunResult]:
    """Runs the same agents in one history and in as many as can be; what both tell and ask must be the same."""

    async def one(history_events: int) -> tuple[str, RunResult, list[Any]]:
        agents = make()
        config = RunConfig(history_events=history_events, **options)
        run = await Runner.start(agents[0], "go", max_turns=None, run_config=config)
        result = await run.result()
        assert (len(await executions_of(run.id)) >= least) == (history_events == SHORT)
        return run.id, result, [requests_of(agent) for agent in agents]

    (_, whole, asked_in_one), (run_id, result, asked) = await asyncio.gather(one(4000), one(SHORT))
    assert told(result) == told(whole)
    assert asked == asked_in_one
    return run_id, result


async def test_a_run_over_many_histories_tells_the_same_as_in_one() -> None:
    run_id, result = await both(lambda: [scripted(*adding(0, TURNS), "done")], least=3)
    assert result.final_output == "done"
    assert "seal_transcript" in await types_of(run_id)


@pytest.mark.thorough
async def test_only_its_newest_execution_is_in_the_list_of_runs() -> None:
    agent = scripted(*adding(0, TURNS), "done")
    run = await Runner.start(agent, "go", max_turns=None, run_config=RunConfig(history_events=SHORT))
    await run.result()
    await executions_of(run.id)
    assert [each.status for each in await Runner.list(f'WorkflowId = "{run.id}"')] == ["completed"]


def keep_two(data: HandoffInputData) -> HandoffInputData:
    """The input shortened, and the last two items before this turn."""
    return data.clone(input_history="short", pre_handoff_items=data.pre_handoff_items[-2:])


@pytest.mark.thorough
@pytest.mark.parametrize("way", ["filtered", "nested", "plain"])
async def test_a_handoff_edits_what_is_sealed(way: str) -> None:
    def make() -> list[Agent[Any]]:
        second = scripted(*adding(50, 3), "done", name="Second")
        to = handoff(second, input_filter=keep_two if way == "filtered" else None, nest_handoff_history=way == "nested")
        first = scripted(*adding(0, 5), [transfer("Second")], name="First", handoffs=[to])
        return [first, second]

    run_id, result = await both(make, least=3)
    assert result.last_agent.name == "Second"
    assert "seal_transcript" in await types_of(run_id)
    assert ("call.handoff_input_filter" in await types_of(run_id)) == (way != "plain")


@pytest.mark.thorough
async def test_two_handoffs_that_edit_what_is_sealed() -> None:
    def make() -> list[Agent[Any]]:
        third = scripted(*adding(80, 2), "done", name="Third")
        second = scripted(
            *adding(50, 4), [transfer("Third")], name="Second", handoffs=[handoff(third, input_filter=keep_two)]
        )
        first = scripted(
            *adding(0, 5), [transfer("Second")], name="First", handoffs=[handoff(second, input_filter=keep_two)]
        )
        return [first, second, third]

    _, result = await both(make, least=4)
    assert result.last_agent.name == "Third"


@pytest.mark.thorough
async def test_an_agent_as_a_tool_goes_on_in_new_histories() -> None:
    def make() -> list[Agent[Any]]:
        inner = scripted(*adding(0, 6), "inner done", name="Inner")
        tool = inner.as_tool("ask_inner", "Ask.")
        outer = scripted(tool_call("ask_inner", {"input": "x"}), "outer done", name="Outer", tools=[tool, add])
        return [outer, inner]

    _, result = await both(make, least=3)
    assert result.final_output == "outer done"


@pytest.mark.thorough
async def test_reasoning_ids_are_left_out_of_what_came_after_the_input() -> None:
    def make() -> list[Agent[Any]]:
        think = {"type": "reasoning", "id": "rs_1", "summary": []}
        return [scripted(*[[think, tool_call("add", {"a": n, "b": n})] for n in range(TURNS)], "done")]

    await both(make, least=3, reasoning_item_id_policy="omit")


async def test_an_approval_waits_through_a_new_history_and_is_decided_there() -> None:
    config = RunConfig(history_events=SHORT)
    agent = scripted(*adding(0, 3), refund_call(call_id="r"), *adding(10, 3), "done")
    run = await Runner.start(agent, "go", max_turns=None, run_config=config)
    paused = await run.result_or_interruptions()
    assert [item.call_id for item in paused.interruptions] == ["r"]
    held = await Runner.get(run.id)
    [approval] = await held.approvals()
    receipt = await held.approve(approval, by="ana")
    assert receipt.verdict == "accepted"
    result = await run.result()
    assert result.final_output == "done"
    assert (await run.status()).decided == {} or "approved by ana" in str((await run.status()).decided)


async def test_a_run_found_before_it_went_on_is_still_that_run() -> None:
    agent = scripted(*adding(0, 5), refund_call(), "done")
    run = await Runner.start(agent, "go", max_turns=None, run_config=RunConfig(history_events=SHORT))
    waiting = [approval async for approval in _first(run.watch_approvals())]
    assert [one.tool for one in waiting] == ["refund"]
    assert len(await run.transcript()) == 1 + 5 * 3 + 1
    await run.approve(waiting[0])
    assert (await run.result()).final_output == "done"


async def _first(watching: Any) -> Any:
    async for approval in watching:
        yield approval
        return


async def signal_nonsense(run_id: str, count: int) -> None:
    """Sends decisions about calls that the run does not have."""
    host = Host.current()

    async def send() -> None:
        handle = (await host.connection()).client.get_workflow_handle(run_id)
        for number in range(count):
            await handle.signal("approve", {"call_id": f"nonsense {number}"})

    await host.call(send())


@pytest.mark.thorough
async def test_a_flood_of_signals_takes_the_run_into_a_new_history_and_the_decision_holds() -> None:
    agent = scripted(refund_call(), "done")
    run = await Runner.start(agent, "go", run_config=RunConfig(history_events=SHORT))
    await run.result_or_interruptions()
    await signal_nonsense(run.id, 60)
    [approval] = await run.approvals()
    await run.approve(approval, by="ana")
    assert (await run.result()).final_output == "done"
    assert len(await executions_of(run.id)) >= 2


@pytest.mark.thorough
async def test_nonsense_alone_takes_a_waiting_run_into_a_new_history() -> None:
    run = await Runner.start(scripted(refund_call(), "done"), "go", run_config=RunConfig(history_events=SHORT))
    await run.result_or_interruptions()
    await signal_nonsense(run.id, 60)
    await run.status()
    assert len(await executions_of(run.id)) >= 2
    await run.approve("1.0")
    assert (await run.result()).final_output == "done"


async def test_messages_without_effect_are_told_of_in_the_new_history() -> None:
    agent = scripted(refund_call(), "done")
    run = await Runner.start(agent, "go", run_config=RunConfig(history_events=SHORT))
    await run.result_or_interruptions()
    await signal_nonsense(run.id, 30)
    status = await run.status()
    assert any("nonsense 29" in text for text in status.ignored)
    await run.cancel()


async def test_a_cancelled_run_is_cancelled_wherever_it_has_gone_on() -> None:
    agent = scripted(*adding(0, 5), refund_call(), "done")
    run = await Runner.start(agent, "go", max_turns=None, run_config=RunConfig(history_events=SHORT))
    await run.result_or_interruptions()
    await run.cancel()
    with pytest.raises(RunCancelled):
        await run.result()


async def test_a_run_that_has_gone_on_unnoticed_is_cancelled_where_it_is() -> None:
    run = await Runner.start(scripted(refund_call(), "done"), "go", run_config=RunConfig(history_events=SHORT))
    await run.result_or_interruptions()
    await signal_nonsense(run.id, 60)
    while len(await executions_of(run.id)) < 2:  # noqa: ASYNC110  the run is elsewhere
        await asyncio.sleep(0.1)
    await run.cancel()
    with pytest.raises(RunCancelled):
        await asyncio.wait_for(run.result(), 30)


@pytest.mark.thorough
async def test_a_fork_of_a_long_run_goes_on_from_its_turn() -> None:
    agent = scripted(*adding(0, TURNS), "done")
    run = await Runner.start(agent, "go", max_turns=None, run_config=RunConfig(history_events=SHORT))
    whole = await run.result()
    forked = await run.fork(at=4)
    result = await forked.result()
    assert result.final_output == "done"
    assert result.to_input_list() == whole.to_input_list()


async def test_a_guardrail_that_has_not_answered_is_not_forgotten() -> None:
    asked: list[str] = []

    async def slow(context: RunContextWrapper[Any], agent: Agent[Any], given: Any) -> Any:
        asked.append("asked")
        await asyncio.sleep(0.5)
        return GuardrailFunctionOutput(output_info="ok", tripwire_triggered=False)

    agent = scripted(*adding(0, 4), "done", input_guardrails=[InputGuardrail(slow)])
    run = await Runner.start(agent, "go", max_turns=None, run_config=RunConfig(history_events=SHORT))
    result = await run.result()
    assert [each.output.output_info for each in result.input_guardrail_results] == ["ok"]
    assert asked == ["asked"]


@pytest.mark.thorough
async def test_a_state_of_a_run_that_waits_in_a_later_history_goes_on_elsewhere() -> None:
    agent = scripted(*adding(0, 5), refund_call(), "done")
    run = await Runner.start(agent, "go", max_turns=None, run_config=RunConfig(history_events=SHORT))
    paused = await run.result_or_interruptions()
    document = paused.to_state().to_json()
    await run.cancel()
    with pytest.raises(RunCancelled):
        await run.result()
    state = await RunState.from_json(agent, document)
    for item in state.get_interruptions():
        state.approve(item)
    result = await Runner.run(agent, state, run_id=f"{run.id}-again")
    assert result.final_output == "done"
    assert len(result.to_input_list()) == 1 + 5 * 3 + 2 + 1


@function_tool
async def read(n: int) -> str:
    """Read a page."""
    return f"{n}" * 25_000


async def test_a_state_that_is_too_large_to_travel_goes_on_with_its_older_items_sealed() -> None:
    reading = [tool_call("read", {"n": n}) for n in range(10, 35)]
    agent = scripted(*reading, refund_call(), "done", tools=[read, refund])
    run = await Runner.start(agent, "go", max_turns=None)
    document = (await run.result_or_interruptions()).to_state().to_json()
    await run.cancel()
    with pytest.raises(RunCancelled):
        await run.result()
    state = await RunState.from_json(agent, document)
    state.approve(state.get_interruptions()[0])
    result = await Runner.run(agent, state, run_id=f"{run.id}-again")
    assert result.final_output == "done"
    read_so_far = [item.output for item in result.new_items if isinstance(item, ToolCallOutputItem)]
    assert read_so_far == [*(f"{n}" * 25_000 for n in range(10, 35)), "refunded 40 for 7"]


async def test_a_fork_of_a_run_that_is_too_large_to_travel() -> None:
    reading = [tool_call("read", {"n": n}) for n in range(10, 35)]
    run = await Runner.start(scripted(*reading, "done", tools=[read]), "go", max_turns=None)
    whole = await run.result()
    forked = await (await run.fork(at=24)).result()
    assert forked.to_input_list() == whole.to_input_list()
