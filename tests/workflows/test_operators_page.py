"""What an operator is shown of a run in the Temporal UI, as the server has it: it reads like the conversation."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowExecutionDescription

from perdure import Agent, Run, RunConfig, Runner, function_tool
from perdure.connection import connect
from perdure.contracts.converter import data_converter
from perdure.prices import Price, set_prices
from perdure.search_attributes import AGENT, APPROVERS, COST, STATUS
from perdure.testing import ScriptedModel, tool_call
from tests.agents import refund, refund_call, scripted
from tests.namespaces import new_place

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


async def listed_as(run_id: str) -> dict[str, Any]:
    """How the server lists a run."""
    client = (await connect()).client
    found = (await client.get_workflow_handle(run_id).describe()).typed_search_attributes
    return {key.name: found[key] for key in (AGENT, STATUS, APPROVERS) if key in found}


async def changes_of(client: Client, run_id: str) -> int:
    handle, kind = client.get_workflow_handle(run_id), EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES
    return sum([event.event_type == kind async for event in handle.fetch_history_events()])


async def test_a_run_is_listed_by_its_agent_by_whom_it_waits_for_and_by_who_decided() -> None:
    run = await waiting(scripted(refund_call(), tool_call("add", {"a": 1, "b": 2}), "done", name="Support"))
    assert await listed_as(run.id) == {"PerdureAgent": "Support", "PerdureStatus": "waiting for approval"}
    await run.approve((await run.approvals())[0], by="ana\x00")
    await run.result()
    ended = {"PerdureAgent": "Support", "PerdureStatus": "finished", "PerdureApprovers": ["ana\\u0000"]}
    assert await listed_as(run.id) == ended
    assert await changes_of((await connect()).client, run.id) == 3, "waits, goes on, ends; whatever it does between"


async def test_a_run_that_fails_and_a_thread_that_waits_are_listed_as_such() -> None:
    failing = await Runner.start(scripted(ValueError("ill"), ValueError("ill")), "go")
    with pytest.raises(ValueError, match="ill"):
        await failing.result()
    assert (await listed_as(failing.id))["PerdureStatus"] == "failed"

    name = f"thread {uuid.uuid4().hex[:8]}"
    await Runner.run(scripted("hello"), "hi", thread=name)
    assert (await listed_as(f"thread/{name}"))["PerdureStatus"] == "waiting for a message"
    await (await Runner.thread(name)).close()


async def test_a_run_whose_cost_is_known_is_listed_by_it() -> None:
    set_prices({"ScriptedModel": Price(input=500, output=1000)})
    try:
        result = await Runner.run(scripted("done"), "go", run_id=(run_id := f"priced-{uuid.uuid4().hex[:8]}"))
    finally:
        set_prices(None)
    found = (await (await connect()).client.get_workflow_handle(run_id).describe()).typed_search_attributes
    assert found[COST] == result.context_wrapper.usage.cost_usd == 0.01


async def test_a_new_history_is_listed_as_the_one_before() -> None:
    calls = [tool_call("add", {"a": number, "b": 2}) for number in range(12)]
    agent = scripted(*calls, refund_call(), "done")
    run = await waiting(agent, max_turns=None, run_config=RunConfig(history_events=SHORT))
    assert await listed_as(run.id) == {"PerdureAgent": "Scripted", "PerdureStatus": "waiting for approval"}
    await run.cancel()


async def test_where_search_attributes_are_not_registered_runs_work_without_them(tmp_path: Path) -> None:
    place = await new_place(tmp_path)
    run_id = await place.ran(Agent(name="Support", model=ScriptedModel(["done"])))
    assert await changes_of(place.client, run_id) == 0


async def test_the_filters_that_the_documentation_links_to_are_what_it_says_and_the_server_takes_them() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "operating.md").read_text()
    filters = re.findall(r"^\| \[[^\]]+\]\(\S+\?query=(\S+)\) \| `(.+)` \|$", page, re.MULTILINE)
    assert len(filters) > 5
    client = (await connect()).client
    for linked, condition in filters:
        assert unquote(linked) == condition
        assert (await client.count_workflows(condition)).count >= 0
