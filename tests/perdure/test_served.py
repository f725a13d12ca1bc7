"""The live agents of a process."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import Any

import pytest

from perdure.agent import Agent
from perdure.errors import UserError
from perdure.lending import Lent
from perdure.served import AgentNotServed, ServedAgents, UserLoopEnded
from perdure.settings import RunConfig
from perdure.tool import function_tool


@dataclass
class Shop:
    orders: int = 0
    _store: str = ""


@function_tool(name_override="look", description_override="first")
def look() -> str:
    return "first"


@function_tool(name_override="look", description_override="last")
def look_again() -> str:
    return "last"


SUPPORT: Agent[Any] = Agent(name="Support", tools=[look])


def lent(agent: Agent[Any] = SUPPORT, context: Any = None, config: RunConfig | None = None) -> Lent:
    return Lent(agent, config or RunConfig(), context, asyncio.get_running_loop())


async def test_a_run_is_served_by_the_object_it_was_started_with() -> None:
    served, own = ServedAgents(), Agent[Any](name="Support")
    served.serve([SUPPORT], asyncio.get_running_loop())
    served.lend("run-1", lent(own))
    assert served.agent("run-1", "Support", "Support") is own
    assert served.agent("run-2", "Support", "Support") is SUPPORT


async def test_a_loan_ends_with_the_run() -> None:
    served = ServedAgents()
    served.lend("run-1", lent())
    served.take_back("run-1")
    served.take_back("run-1")
    assert served.lent("run-1") is None
    with pytest.raises(AgentNotServed):
        served.agent("run-1", "Support", "Support")


async def test_an_agent_that_is_missing_is_named_with_those_that_are_there() -> None:
    served = ServedAgents()
    served.serve([SUPPORT, Agent(name="Sales")], asyncio.get_running_loop())
    with pytest.raises(AgentNotServed, match=r"no agent 'Billing' \(it serves: Sales, Support\)"):
        served.agent("run-1", "Billing", "Billing")


async def test_a_run_is_not_served_by_its_callers_agent_of_another_name() -> None:
    served = ServedAgents()
    served.lend("run-1", lent())
    with pytest.raises(AgentNotServed, match="none by name"):
        served.agent("run-1", "Sales", "Sales")


async def test_two_agents_of_one_name_cannot_be_served() -> None:
    with pytest.raises(UserError, match="Two agents are named 'Support'"):
        ServedAgents().serve([SUPPORT, Agent(name="Support")], asyncio.get_running_loop())


async def test_serving_an_agent_twice_is_serving_it_once() -> None:
    served = ServedAgents()
    served.serve([SUPPORT, SUPPORT], asyncio.get_running_loop())
    assert served.agent("run-1", "Support", "Support") is SUPPORT


async def test_of_two_tools_with_one_name_the_last_one_is_run() -> None:
    served = ServedAgents()
    served.serve([Agent(name="Support", tools=[look, look_again])], asyncio.get_running_loop())
    assert served.tool("run-1", "Support", "Support", "look") is look_again


async def test_a_tool_that_is_missing_is_named() -> None:
    served = ServedAgents()
    served.serve([SUPPORT], asyncio.get_running_loop())
    with pytest.raises(AgentNotServed, match="Agent 'Support' of this worker has no tool 'fly'"):
        served.tool("run-1", "Support", "Support", "fly")


async def test_a_run_has_its_callers_configuration() -> None:
    served, config = ServedAgents(), RunConfig(workflow_name="mine")
    served.lend("run-1", lent(config=config))
    assert served.member("run-1", "Support", "Support").config is config


async def test_an_agent_that_the_run_can_come_to_is_found_by_its_key() -> None:
    other, twin = Agent[Any](name="Other"), Agent[Any](name="Other", handoffs=[SUPPORT])
    served = ServedAgents()
    served.lend("run-1", lent(Agent(name="First", handoffs=[other, twin])))
    assert served.agent("run-1", "First", "Other") is other
    assert served.agent("run-1", "First", "Other#2") is twin
    assert served.agent("run-1", "First", "Support") is SUPPORT
    with pytest.raises(AgentNotServed, match="does not lead to 'Nobody'"):
        served.agent("run-1", "First", "Nobody")


async def test_a_callers_context_lends_its_resources() -> None:
    served = ServedAgents()
    served.lend("run-1", lent(context=Shop(1, "the store")))
    assert served.context("run-1", {"orders": 5}) == Shop(5, "the store")


async def test_a_worker_makes_contexts_with_its_factory() -> None:
    served = ServedAgents()
    served.serve([SUPPORT], asyncio.get_running_loop(), lambda state: Shop((state or {}).get("orders", 0), "worker's"))
    assert served.context("run-1", {"orders": 5}) == Shop(5, "worker's")
    assert served.context("run-1", None) == Shop(0, "worker's")


async def test_without_a_factory_a_context_is_its_state() -> None:
    served = ServedAgents()
    served.serve([SUPPORT], asyncio.get_running_loop())
    assert served.context("run-1", {"orders": 5}) == {"orders": 5}


async def test_a_users_exception_is_kept_for_the_caller_in_this_process() -> None:
    served, loan = ServedAgents(), lent()
    served.lend("run-1", loan)
    first, second = ValueError("a"), ValueError("b")
    assert [served.note_error("run-1", first), served.note_error("run-1", second)] == [0, 1]
    assert loan.errors == [first, second]
    assert served.note_error("run-2", first) is None


async def test_user_code_runs_on_its_own_loop() -> None:
    served = ServedAgents()
    served.lend("run-1", lent())

    async def where() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def from_another_loop() -> asyncio.AbstractEventLoop:
        return asyncio.run(served.on_user_loop("run-1", where))

    assert await asyncio.to_thread(from_another_loop) is asyncio.get_running_loop()


async def test_what_user_code_raises_reaches_the_worker() -> None:
    served = ServedAgents()
    served.serve([SUPPORT], asyncio.get_running_loop())

    async def broken() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await served.on_user_loop("run-1", broken)


def test_code_whose_loop_has_ended_is_not_run() -> None:
    served = ServedAgents()

    async def lend_and_end() -> None:
        served.lend("run-1", lent())

    async def work() -> None:
        raise AssertionError("must not run")

    asyncio.run(lend_and_end())
    with pytest.raises(AgentNotServed, match="does not run"):
        asyncio.run(served.on_user_loop("run-1", work))


async def test_a_worker_without_a_loop_for_user_code_runs_none() -> None:
    async def work() -> None:
        raise AssertionError("must not run")

    with pytest.raises(AgentNotServed):
        await ServedAgents().on_user_loop("run-1", work)


async def test_work_that_has_not_begun_when_its_loop_stops_never_begins() -> None:
    served, other, begun = ServedAgents(), asyncio.new_event_loop(), []

    async def work() -> None:
        begun.append(1)

    thread = threading.Thread(target=other.run_forever)
    thread.start()
    served.serve([SUPPORT], other)
    other.call_soon_threadsafe(lambda: (other.stop(), time.sleep(0.2)))  # stops after this turn, with the work queued
    with pytest.raises(AgentNotServed, match="offered again"):
        await served.on_user_loop("run-1", work)
    thread.join()
    again = threading.Thread(target=other.run_forever)
    again.start()
    other.call_soon_threadsafe(other.stop)
    again.join()
    other.close()
    assert begun == []


async def test_user_code_is_cancelled_with_the_activity_that_waits_for_it() -> None:
    served = ServedAgents()
    served.serve([SUPPORT], asyncio.get_running_loop())
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    waiting = asyncio.create_task(served.on_user_loop("run-1", slow))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(cancelled.wait(), 1)


async def test_code_that_was_stopped_with_its_loop_is_told_from_a_cancelled_activity() -> None:
    served = ServedAgents()
    served.serve([SUPPORT], asyncio.get_running_loop())

    async def stopped() -> None:
        raise asyncio.CancelledError

    with pytest.raises(UserLoopEnded, match="ended while the code ran"):
        await served.on_user_loop("run-1", stopped)
