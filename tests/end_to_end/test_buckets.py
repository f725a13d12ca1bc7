"""Runs whose blobs lie in a bucket: what is large comes back whole, and an outage of the bucket ends no run."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure import RunConfig, Runner
from perdure.run import Run
from tests.buckets import Bucket, running_bucket
from tests.end_to_end.workers import worker

LONG = 100_000  # characters: more than an item of a history may have
AGENTS = f"""
from perdure import Agent, function_tool
from perdure.testing import ScriptedModel, tool_call

@function_tool
async def read(page: int) -> str:
    return str(page) * {LONG}

@function_tool(needs_approval=True)
async def close(page: int) -> str:
    return "closed"

clerk = Agent(
    name="Clerk",
    model=ScriptedModel([
        *[tool_call("read", {{"page": page}}) for page in range(8)],
        tool_call("close", {{"page": 8}}),
        tool_call("read", {{"page": 9}}),
        "done",
    ]),
    tools=[read, close],
)
"""


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with running_bucket(tmp_path / "buckets") as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        yield bucket


async def until_it_waits(run: Run, waits_for: str, words: str) -> None:
    async with asyncio.timeout(60):
        while (said := await run.why()).waits_for != waits_for or words not in said.sentence:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def test_a_run_goes_through_histories_and_an_outage_with_its_blobs_in_a_bucket(
    bucket: Bucket, tmp_path: Path
) -> None:
    queue = f"bucket-{uuid.uuid4().hex[:8]}"
    given = "?" * LONG
    config = RunConfig(history_events=20)
    async with worker(tmp_path / "code", "clerks", AGENTS, queue):
        run = await Runner.start(
            "Clerk", given, run_id=f"run-{queue}", task_queue=queue, run_config=config, max_turns=None
        )
        await until_it_waits(run, "decision", "close")
        bucket.stop()
        (approval,) = await run.approvals()
        await run.approve(approval, by="ana")
        await until_it_waits(run, "next attempt", "s3://bucket/blobs cannot be written now")
        bucket.start()
        assert (await run.result()).final_output == "done"
        said = [entry.item for entry in await run.transcript()]
    assert said[0]["content"] == given
    assert [item["output"][0] for item in said if item.get("type") == "function_call_output"] == [*"01234567c9"]
    assert bucket.objects()
