"""What a deployment does to runs under way; every kind of change to agents is in tests/end_to_end/test_drift.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from perdure import Agent, ModelSettings, function_tool
from perdure.client.deploying import Affected, Deployed, check_deployment, differences
from perdure.settings import RunConfig
from perdure.snapshot import snapshot
from tests.agents import add, refund, scripted
from tests.namespaces import new_place

CLERK = Agent(name="Clerk", instructions="Be kind.", model="m", tools=[add, refund], handoffs=[Agent(name="Boss")])


@workflow.defn(name="AgentRun", sandboxed=False)
class OtherCode:
    """What another version of the workflow might do first."""

    @workflow.run
    async def run(self, run: Any) -> None:
        await workflow.sleep(3600)


@function_tool(name_override="add")
async def other_add(a: int) -> int:
    """Add one number."""
    return a


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda: CLERK, []),
        (lambda: CLERK.clone(instructions="Be rude."), ["Agent 'Clerk' was changed: instructions."]),
        (
            lambda: CLERK.clone(model="n", model_settings=ModelSettings(temperature=1.0)),
            ["Agent 'Clerk' was changed: model, model settings."],
        ),
        (lambda: CLERK.clone(tools=[refund, add]), ["Agent 'Clerk' was changed: order of tools."]),
        (
            lambda: CLERK.clone(tools=[other_add]),
            ["Agent 'Clerk' was changed: tool refund removed, tool add changed."],
        ),
        (
            lambda: CLERK.clone(handoffs=[Agent(name="Chief")]),
            [
                "Agent 'Clerk' was changed: handoff transfer_to_boss removed, handoff transfer_to_chief added.",
                "Agent 'Boss' is not among the deployed agents.",
                "Agent 'Chief' is new.",
            ],
        ),
    ],
)
def test_each_part_that_differs_is_named(change: Callable[[], Agent[Any]], told: list[str]) -> None:
    assert differences(snapshot(CLERK, RunConfig()), snapshot(change(), RunConfig())) == told


async def test_a_run_that_has_not_begun_is_unaffected_and_one_of_other_code_stands_still(tmp_path: Path) -> None:
    place = await new_place(tmp_path)
    given = [{"role": "user", "content": "go"}]
    fresh, strange = await place.start("Clerk", given), await place.start("Clerk", given)
    worker = Worker(
        place.client, task_queue=strange.id, workflows=[OtherCode],
        unsandboxed_workflow_runner=UnsandboxedWorkflowRunner(),
    )  # fmt: skip
    async with worker:
        async for event in strange.fetch_history_events(wait_new_event=True):
            if event.HasField("timer_started_event_attributes"):
                break
    found: list[Affected] = []
    for handle in (fresh, strange):
        deployed = Deployed([scripted("hi", name="Clerk")], handle.id)
        found += await check_deployment(place.client, deployed, lambda text: None)
    assert [(each.run_id, each.verdict) for each in found] == [
        (fresh.id, "unaffected"),
        (strange.id, "stands still"),
    ]
    assert "does not run again on this code" in found[1].reasons[0]
    for handle in (fresh, strange):
        await handle.terminate()
