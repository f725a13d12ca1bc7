"""A replay in which a model's answer is another one is noticed before anything that it asked for has happened."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from perdure import Runner
from perdure.connection import connect
from perdure.contracts.converter import data_converter
from perdure.testing import tool_call
from tests.agents import add, scripted
from workflows.agent_run import AgentRun


def with_other_answer(history: WorkflowHistory, old: bytes, new: bytes) -> WorkflowHistory:
    """The history as if the model had answered something else; all that followed is as it was."""
    told: dict[str, Any] = json.loads(history.to_json())
    changed = 0
    for event in told["events"]:
        for payload in event.get("activityTaskCompletedEventAttributes", {}).get("result", {}).get("payloads", []):
            data = base64.b64decode(payload["data"])
            if old in data:
                payload["data"] = base64.b64encode(data.replace(old, new)).decode()
                changed += 1
    assert changed == 1
    return WorkflowHistory.from_json(history.workflow_id, told)


async def test_other_arguments_than_those_that_a_tool_was_run_with_do_not_replay() -> None:
    run = await Runner.start(scripted(tool_call("add", {"a": 17, "b": 4}), "done", tools=[add]), "please")
    await run.result()
    history = await (await connect()).client.get_workflow_handle(run.id).fetch_history()
    replayer = Replayer(workflows=[AgentRun], data_converter=data_converter, namespace="default")
    await replayer.replay_workflow(history)
    with pytest.raises(NondeterminismError, match="Activity id"):
        await replayer.replay_workflow(with_other_answer(history, b"17", b"18"))
