"""What runs cost: each answer once, over agents as tools, threads and new histories; and a fork only its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from perdure import Agent, RunConfig, Runner, ToolContext, function_tool
from perdure.client.host import Host
from perdure.prices import Price, set_prices
from perdure.search_attributes import COST
from perdure.testing import ScriptedModel, tool_call
from tests.agents import add, refund, refund_call, scripted
from tests.workflows.test_long_runs import SHORT, TURNS, adding
from tests.workflows.test_steering import Halting, until
from tests.workflows.threads import echo, new_name

CENT = {"ScriptedModel": Price(input=500, output=1000)}  # for each answer of a scripted model: 10 tokens in, 5 out


@pytest.fixture(autouse=True)
def a_cent_for_an_answer() -> Iterator[None]:
    set_prices(CENT)
    yield
    set_prices(None)


async def handle_of(run_id: str) -> Any:
    client = (await Host.current().call(Host.current().connection())).client
    return client.get_workflow_handle(run_id)


async def usage_of(run_id: str) -> dict[str, Any]:
    """What the query `usage` answers."""
    return await Host.current().call((await handle_of(run_id)).query("usage"))


async def listed_cost(run_id: str) -> float | None:
    """What the run is listed with."""
    described = await Host.current().call((await handle_of(run_id)).describe())
    return described.typed_search_attributes.get(COST)


async def has_new_histories(run_id: str) -> bool:
    described = await Host.current().call((await handle_of(run_id)).describe())
    return described.raw_description.workflow_execution_info.first_run_id != described.run_id


async def test_a_run_costs_what_its_answers_cost_together() -> None:
    result = await Runner.run(scripted(tool_call("add", {"a": 1, "b": 2}), "3"), "1+2")
    assert result.context_wrapper.usage.cost_usd == 0.02
    assert [each.usage.cost_usd for each in result.raw_responses] == [0.01, 0.01]
    assert await usage_of(result.run_id) == {"requests": 2, "input": 20, "output": 10, "usd": 0.02}


async def test_a_run_without_prices_says_nothing_of_money_in_its_history_and_that_it_does_not_know() -> None:
    set_prices(None)
    result = await Runner.run(scripted("hello"), "hi")
    assert result.context_wrapper.usage.cost_usd is None
    handle = await handle_of(result.run_id)
    history = (await Host.current().call(handle.fetch_history())).to_json()
    assert "usd" not in history
    assert "priced" not in history
    assert "cost unknown" in await details_of(result.run_id)
    assert await listed_cost(result.run_id) is None
    name = new_name()
    await Runner.run(echo(), "a", thread=name)  # which had cost nothing while it waited for that
    assert await listed_cost(f"thread/{name}") is None


async def details_of(run_id: str) -> str:
    handle = await handle_of(run_id)
    return str(await Host.current().call(handle.query("__temporal_workflow_metadata")))


async def test_a_cost_of_which_only_a_part_is_known_is_at_least_that_part() -> None:
    cheap = scripted("done", name="Cheap")
    dear = Agent(name="Dear", model=EchoPriced(), handoffs=[cheap])
    result = await Runner.run(dear, "hi")
    usage = result.context_wrapper.usage
    assert (usage.cost_usd, usage.priced_usd, usage.unpriced_requests) == (None, 0.01, 1)
    assert await usage_of(result.run_id) == {"requests": 2, "input": 20, "output": 10, "usd": 0.01, "unpriced": 1}
    assert "at least $0.01 (1 request without a price)" in await details_of(result.run_id)
    assert await listed_cost(result.run_id) == 0.01


class EchoPriced(ScriptedModel):
    """Of a class that no table has."""

    def __init__(self) -> None:
        super().__init__([tool_call("transfer_to_cheap", {})])


async def test_agents_as_tools_are_paid_by_who_asks_them() -> None:
    inner = scripted(tool_call("add", {"a": 1, "b": 1}), "two", name="Inner")
    outer = scripted(tool_call("ask", {"input": "1+1"}), "2", tools=[inner.as_tool("ask", "Asks.")])
    assert (await Runner.run(outer, "hi")).context_wrapper.usage.cost_usd == 0.04


async def test_tools_are_told_what_the_run_has_cost_by_then() -> None:
    told: list[float | None] = []

    @function_tool
    async def look(ctx: ToolContext[Any]) -> str:
        """Look."""
        told.append(ctx.usage.cost_usd)
        return "seen"

    await Runner.run(scripted(tool_call("look", {}), tool_call("look", {}), "done", tools=[look]), "hi")
    assert told == [0.01, 0.02]


async def test_a_run_that_goes_on_in_new_histories_pays_each_answer_once() -> None:
    agent = scripted(*adding(1, TURNS), "done")
    result = await Runner.run(agent, "go", run_config=RunConfig(history_events=SHORT))
    assert await has_new_histories(result.run_id)
    assert result.context_wrapper.usage.cost_usd == 0.07
    assert (await usage_of(result.run_id))["usd"] == 0.07


async def test_a_fork_has_used_all_that_was_and_pays_for_what_is_its_own() -> None:
    agent = scripted(*adding(1, 2), "done", "done again")
    run = await Runner.start(agent, "go", run_config=RunConfig(history_events=SHORT))
    await run.result()
    fork = await run.fork(at=2)
    result = await fork.result()
    assert result.context_wrapper.usage.cost_usd == 0.03  # as in the Agents SDK: with what it goes on from
    assert await usage_of(fork.id) == {"requests": 1, "input": 10, "output": 5, "usd": 0.01}
    assert [await listed_cost(each.id) for each in (run, fork)] == [0.03, 0.01]
    status = await fork.status()
    assert (status.usage.usd, status.paid.cost_usd) == (0.03, 0.01)
    again = await fork.fork(at=2)
    await again.result()
    assert (await usage_of(again.id))["usd"] == 0.01


@pytest.mark.thorough
async def test_a_run_that_goes_on_from_a_state_pays_for_its_own_over_new_histories() -> None:
    first = await Runner.run(scripted("one"), "go")
    agent = scripted(*adding(1, TURNS), "done")
    second = await Runner.run(agent, first.to_state(), run_config=RunConfig(history_events=SHORT))
    assert await has_new_histories(second.run_id)
    assert second.context_wrapper.usage.cost_usd == 0.08
    assert (await usage_of(second.run_id))["usd"] == 0.07


async def test_a_waiting_run_that_is_cancelled_and_gone_on_from_pays_nothing_twice() -> None:
    agent = Agent(name="Payer", model=ScriptedModel([refund_call(), "done"]), tools=[refund])
    run = await Runner.start(agent, "go")
    paused = await run.result_or_interruptions()
    assert await listed_cost(run.id) == 0.01  # as it waits
    state = paused.to_state()
    await Host.current().call((await handle_of(run.id)).terminate())
    state.approve(paused.interruptions[0])
    result = await Runner.run(agent, state)
    assert result.final_output == "done"
    assert (result.context_wrapper.usage.cost_usd, (await usage_of(result.run_id))["usd"]) == (0.02, 0.01)


async def test_a_thread_costs_what_its_messages_cost_and_each_message_its_own() -> None:
    set_prices({"EchoModel": CENT["ScriptedModel"]})
    name, agent = new_name(), echo()
    first = await Runner.run(agent, "a", thread=name)
    second = await Runner.run(agent, "b", thread=name)
    assert [each.context_wrapper.usage.cost_usd for each in (first, second)] == [0.01, 0.01]
    assert (await usage_of(f"thread/{name}"))["usd"] == await listed_cost(f"thread/{name}") == 0.02
    assert "2 requests, 20 tokens in, 10 out, $0.02" in await details_of(f"thread/{name}")


async def test_an_answer_that_is_interrupted_is_a_request_of_unknown_cost() -> None:
    model = Halting(["one two three"])
    run = await Runner.start(Agent(name="Slow", model=model, tools=[add]), "go")
    await asyncio.wait_for(model.halted.wait(), 30)
    await run.interrupt(by="ana")
    await until(run, "interrupted")
    assert (await run.status()).paid.unpriced_requests == 1
    await run.cancel()
