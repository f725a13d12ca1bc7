"""The entries in the ledger of effects that a run has made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecution

from perdure.compression import expanded
from perdure.contracts.effects import OUTCOME_UNKNOWN, effect_id


async def effects_of(client: Client, run_id: str, executions: list[WorkflowExecution]) -> list[WorkflowExecution]:
    """The workflows that remember the effects of a run: by the keys that its history tells, and those that are its own.

    An effect that was under way when the run was ended from outside, under a key of its tool's, is not among them:
    whether it happened is open, so it stays known.

    Args:
        client: Reaches the namespace.
        run_id: The run.
        executions: All that Temporal keeps of it.
    """
    keys = set[str]()
    for execution in executions:
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        async for event in handle.fetch_history_events():
            keys.update(_keys(event))
    wanted = [f"WorkflowId = {_quoted(effect_id(key))}" for key in sorted(keys)]
    wanted.append(f"WorkflowId STARTS_WITH {_quoted(effect_id(f'{run_id}/'))}")
    found = [each for condition in wanted async for each in client.list_workflows(condition)]
    return list({each.run_id: each for each in found}.values())


def _keys(event: HistoryEvent) -> Iterator[str]:
    for payload in event.activity_task_completed_event_attributes.result.payloads:
        yield from _key_in(payload)
    failed = event.activity_task_failed_event_attributes.failure.application_failure_info
    for payload in failed.details.payloads if failed.type == OUTCOME_UNKNOWN else ():
        yield from _key_in(payload)


def _key_in(payload: Payload) -> Iterator[str]:
    data = expanded(payload).data
    if b'"effect":' in data:
        value: Any = json.loads(data)
        key = cast("dict[str, Any]", value).get("effect") if isinstance(value, dict) else None
        if isinstance(key, str) and key:
            yield key


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
