"""What runs under way need: nested agents, threads, sessions; the rest is in tests/end_to_end/test_drift.py."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from temporalio.client import Client

from perdure import Agent, Runner, function_tool, handoff
from perdure.client.deploying import Affected, Deployed, check_deployment
from perdure.client.host import Host, blob_store
from perdure.connection import connect
from perdure.contracts.converter import data_converter
from perdure.served import ServedAgents
from perdure.testing import ScriptedModel, tool_call
from tests.agents import refund, scripted
from worker import WorkerSettings, build_worker

CALL = tool_call("refund", {"order_id": "7", "amount": 5})


@function_tool(name_override="refund", needs_approval=True)
async def other_refund(order_id: str) -> str:
    """Refund an order."""
    return order_id


def edited(data: Any) -> Any:
    return data


def desk(*, refunds: Any = refund, nested: bool = True) -> list[Agent[Any]]:
    """The agents of one deployment: one with an agent as a tool, one of threads, a plain one, one that hands over."""
    clerk = Agent(name="Clerk", model=ScriptedModel([CALL, "refunded"]), tools=[refunds])
    tools = [clerk.as_tool("clerk", "Ask the clerk.")] if nested else []
    boss = scripted(tool_call("clerk", {"input": "refund"}), "done", name="Boss", tools=tools)
    talker = scripted("hello", "hello again", name="Talker")
    keeper = scripted(CALL, "done", name="Keeper", tools=[refunds])
    filtered = handoff(Agent(name="Next", model="m"), input_filter=edited if nested else None)
    sender = scripted(CALL, "done", name="Sender", tools=[refund], handoffs=[filtered])
    return [boss, talker, keeper, sender]


@pytest.fixture(scope="module")
def checked() -> dict[str, dict[str, Affected]]:
    """What a check says of a run of each agent, by the deployment that is checked."""

    async def all_of_it() -> dict[str, dict[str, Affected]]:
        host, queue = Host.current(), f"lacking-{uuid.uuid4().hex[:8]}"
        await host.call(host.serve_effects())
        connection = await connect()
        client = await Client.connect(connection.address, data_converter=data_converter)
        served = ServedAgents()
        served.serve(desk(), asyncio.get_running_loop())
        names: dict[str, str] = {}
        async with build_worker(client, served, blob_store(connection), WorkerSettings(queue)):
            for name in ("Boss", "Keeper", "Sender"):
                run = await Runner.start(name, "go", task_queue=queue)
                await run.result_or_interruptions()
                names[run.id] = name
            thread = await Runner.start("Talker", "hi", task_queue=queue, thread=f"talk-{queue}")
            await thread.result()

        async def check(agents: list[Agent[Any]]) -> dict[str, Affected]:
            affected = await check_deployment(client, Deployed(agents, queue), lambda text: None)
            return {names.get(each.run_id, "Talker"): each for each in affected}

        return {
            "same": await check(desk()),
            "changed": await check(desk(refunds=other_refund)),
            "without": await check(desk(nested=False)[:1] + desk(nested=False)[2:]),
        }

    return asyncio.run(all_of_it())


Checked = dict[str, dict[str, Affected]]


def test_the_same_agents_affect_no_run(checked: Checked) -> None:
    assert {name: (each.verdict, each.reasons) for name, each in checked["same"].items()} == {
        name: ("unaffected", []) for name in ("Boss", "Keeper", "Sender", "Talker")
    }


def test_a_call_of_an_agent_that_runs_as_a_tool_waits_where_its_tool_was_changed(checked: Checked) -> None:
    boss = checked["changed"]["Boss"]
    assert boss.verdict == "waits"
    assert any("of refund waits: Tool 'refund' of this worker has definition" in each for each in boss.reasons)


def test_an_agent_as_a_tool_that_is_gone_takes_every_step_of_that_agent_with_it(checked: Checked) -> None:
    boss = checked["without"]["Boss"]
    assert boss.verdict == "waits"
    assert any(each.startswith("Every step of agent 'Clerk' waits: ") for each in boss.reasons)
    assert any(each.startswith("Call 1.0 of clerk waits: ") for each in boss.reasons)


def test_a_thread_between_two_messages_may_wait_for_its_agent_and_for_nothing_else(checked: Checked) -> None:
    assert checked["changed"]["Talker"].verdict == "unaffected"
    gone = checked["without"]["Talker"]
    assert (gone.verdict, len(gone.reasons)) == ("may wait", 1)
    assert gone.reasons[0].startswith("Its next message would wait: This worker has no agent 'Talker'")


def test_a_handoff_whose_filter_is_gone_only_may_be_made(checked: Checked) -> None:
    sender = checked["without"]["Sender"]
    assert sender.verdict == "may wait"
    assert sender.reasons == [
        "Handoff transfer_to_next of agent 'Sender' would wait: Handoff 'transfer_to_next' of this worker has no input "
        "filter, nor has the run."
    ]
    assert checked["without"]["Keeper"].verdict == "unaffected"
