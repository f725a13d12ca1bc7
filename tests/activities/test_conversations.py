"""The conversation that a model call sends is exactly the run's, wherever it comes from."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError

from activities.conversations import Conversations
from perdure import Runner
from perdure.connection import connect
from perdure.contracts.converter import data_converter
from perdure.contracts.steps import CallModelInput
from perdure.testing import tool_call
from tests.agents import scripted


async def last_model_call() -> tuple[Client, str, str, CallModelInput, list[str]]:
    """A finished run of three turns: its last model call, and the types of all items that this one had."""
    agent = scripted(tool_call("add", {"a": 1, "b": 2}), tool_call("add", {"a": 3, "b": 4}), "done")
    result = await Runner.run(agent, "add twice")
    client = (await connect()).client
    handle: WorkflowHandle[object, object] = client.get_workflow_handle(result.run_id)
    calls = [
        event.activity_task_scheduled_event_attributes
        async for event in handle.fetch_history_events()
        if event.activity_task_scheduled_event_attributes.activity_type.name == "call_model"
    ]
    call = data_converter.payload_converter.from_payload(calls[-1].input.payloads[0], CallModelInput)
    types = [item.get("type", "message") for item in result.to_input_list()[:-1]]
    return client, result.run_id, (await handle.describe()).run_id, call, types


async def test_a_worker_that_has_not_seen_the_run_asks_it() -> None:
    client, workflow_id, run_id, call, types = await last_model_call()
    items = await Conversations(client, None).items(workflow_id, run_id, call.cursor, call.items)
    assert [json.loads(item).get("type", "message") for item in items] == types


async def test_a_run_that_does_not_answer_is_read_from_its_history(caplog: pytest.LogCaptureFixture) -> None:
    client, workflow_id, run_id, call, types = await last_model_call()
    hurried = Conversations(client, None, pull_timeout=timedelta(microseconds=10))
    with caplog.at_level(logging.WARNING, "perdure"):
        items = await hurried.items(workflow_id, run_id, call.cursor, call.items)
    assert [json.loads(item).get("type", "message") for item in items] == types
    assert "reading its history" in caplog.text


async def test_new_items_that_are_not_the_run_s_are_never_sent() -> None:
    client, workflow_id, run_id, call, types = await last_model_call()
    forged = [{**item, "output": "forged"} for item in call.items]
    items = await Conversations(client, None).items(workflow_id, run_id, call.cursor, forged)
    assert not any(b"forged" in item for item in items)
    assert len(items) == len(types)


async def test_a_cursor_that_is_not_the_run_s_is_refused() -> None:
    client, workflow_id, run_id, call, _ = await last_model_call()
    elsewhere = call.cursor.model_copy(update={"digest": "0" * 64})
    with pytest.raises(ApplicationError, match="do not hash to"):
        await Conversations(client, None).items(workflow_id, run_id, elsewhere, [])
