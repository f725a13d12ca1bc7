"""What an operator is shown of a run in the Temporal UI, as the server has it: it reads like the conversation."""

from __future__ import annotations

import uuid
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowExecutionDescription

from perdure import Agent, Run, RunConfig, Runner, function_tool
from perdure.connection import connect
from perdure.contracts.converter import data_converter
from perdure.testing import tool_call
from tests.agents import refund, refund_call, scripted

SHORT = 60  # events, after which a run goes on in a new history
GIVEN = "Refund **order 7** <b>now</b> \u202e!"
SHOWN = r"Refund \*\*order 7\*\* \<b\>now\</b\> \\u202e\!"


@function_tool
async def look(order_id: str) -> str:
    """Look an order up."""
    return f"order {order_id} is there"


async def metadata_of(run: Run) -> WorkflowMetadata:
    handle = (await connect()).client.get_workflow_handle(run.id)
    return await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)


async def described(run: Run) -> WorkflowExecutionDescription:
    return await (await connect()).client.get_workflow_handle(run.id).describe()


async def summaries_of(run: Run) -> dict[str, str]:
    """The lines of steps and waits, by activity type; a timer's by `timer`."""
    handle = (await connect()).client.get_workflow_handle(run.id)
    lines: dict[str, str] = {}
    async for event in handle.fetch_history_events():
        if event.user_metadata.HasField("summary"):
            (text,) = await data_converter.decode([event.user_metadata.summary], [str])
            lines[_named(event)] = text
    return lines


def _named(event: HistoryEvent) -> str:
    if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED:
        return "timer"
    return event.activity_task_scheduled_event_attributes.activity_type.name or "run"


async def waiting(agent: Agent[Any], given: str = GIVEN, **options: Any) -> Run:
    run = await Runner.start(agent, given, run_id=f"desk/{uuid.uuid4().hex[:8]}", **options)
    await run.result_or_interruptions()
    return run


async def test_a_run_is_named_by_its_agent_and_its_input_and_says_how_to_decide() -> None:
    run = await waiting(
        scripted(tool_call("look", {"order_id": "7"}), refund_call(), "done", tools=[look, refund], name="Support")
    )
    about = await described(run)
    assert await about.static_summary() == f"Support: {SHOWN}"
    assert await about.static_details() == f"A run of agent **Support**, started with 1 item: {SHOWN}"
    assert (await about.memo())["perdure"]["agent"] == "Support"

    details = (await metadata_of(run)).current_details
    (approval,) = await run.approvals()
    assert details.startswith("**Support** · waiting for approval · turn 2 of 10 · 2 requests, ")
    assert f"Goal:\n\n> {SHOWN}" in details
    assert f'"digest": "{approval.digest}"' in details

    await run.approve(approval, by="ana \u202e")
    await run.result()
    ended = (await metadata_of(run)).current_details
    assert " · finished · " in ended
    assert rf"- {approval.call_id} approved by ana \\u202e at " in ended
    lines = await summaries_of(run)
    assert lines["tool.look"] == "look(order_id='7')"
    assert lines["call_model"].startswith("turn 3: Support asks ")
    assert lines["timer"] == f"approval {approval.call_id}: {lines['tool.refund']}"


async def test_all_that_can_be_sent_says_what_it_takes() -> None:
    run = await waiting(scripted(refund_call(), "done"))
    definition = (await metadata_of(run)).definition
    known = {
        each.name: each.description
        for each in (*definition.signal_definitions, *definition.update_definitions, *definition.query_definitions)
        if each.name and not each.name.startswith("__")
    }
    assert {"approve", "reject", "resolve", "pause", "interrupt", "resume", "decide", "send", "stop"} <= set(known)
    assert {"status", "approvals", "transcript", "usage"} <= set(known)
    assert [name for name, text in known.items() if not text] == []
    await run.cancel()


async def test_what_a_new_history_drops_is_told_again() -> None:
    calls = [tool_call("look", {"order_id": str(number)}) for number in range(12)]
    agent = scripted(*calls, refund_call(), "done", tools=[look, refund], name="Support")
    run = await waiting(agent, max_turns=None, run_config=RunConfig(history_events=SHORT))
    about = await described(run)
    assert about.raw_description.workflow_execution_info.first_run_id != about.run_id
    assert await about.static_summary() is None
    details = (await metadata_of(run)).current_details
    assert f"Goal:\n\n> {SHOWN}" in details
    assert details.startswith("**Support** · waiting for approval · turn 13 · ")
    await run.cancel()
