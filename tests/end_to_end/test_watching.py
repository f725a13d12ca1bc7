"""Who watches a run from elsewhere loses nothing and hears nothing twice, whoever dies meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from perdure import RunEvent, Runner
from perdure.run import Run
from tests.end_to_end.workers import worker

AGENTS = '''
import asyncio
from pathlib import Path

from perdure import Agent, function_tool
from perdure.testing import ScriptedModel, tool_call


class Slow(ScriptedModel):
    """Takes its time for the second answer, and says so in a file."""

    async def get_response(self, *args, **options):
        answer = await super().get_response(*args, **options)
        if len(self.requests[-1].input) == 3:
            Path("asked").touch()
            await asyncio.sleep(2)
        return answer


@function_tool
async def look(at: str) -> str:
    """Look at something."""
    return f"a {at}"


looker = Agent(
    name="Looker",
    model=Slow([tool_call("look", {"at": "bird"}), ["well", tool_call("look", {"at": "tree"})], "that was all"]),
    tools=[look],
)
'''
TOLD = ["agent", "tool_called", "tool_output", "message_output_created", "tool_called", "tool_output"]
TOLD += ["message_output_created"]


def name_of(event: RunEvent) -> str:
    return getattr(event.event, "name", "agent")


async def watched(run: Run, after: str | None = None) -> list[RunEvent]:
    return [event async for event in run.events(after=after)]


async def until_asked(folder: Path) -> None:
    async with asyncio.timeout(30):
        while not (folder / "asked").exists():  # noqa: ASYNC110  another process makes it
            await asyncio.sleep(0.05)


@pytest.mark.thorough
async def test_a_worker_that_is_killed_in_the_middle_of_an_answer_costs_a_watcher_nothing(tmp_path: Path) -> None:
    queue = f"watched-{uuid.uuid4().hex[:8]}"
    run = await Runner.start("Looker", "go", task_queue=queue)
    watching = asyncio.create_task(watched(run))
    async with worker(tmp_path, "looking_agents", AGENTS, queue) as first:
        await until_asked(tmp_path)
        first.kill()
        await first.wait()
    async with worker(tmp_path, "looking_agents", AGENTS, queue):
        events = await watching
        later = await watched(await Runner.get(run.id), after=events[2].offset)
    assert [event.offset for event in later] == [event.offset for event in events[3:]]
    assert [name_of(event) for event in events] == TOLD
    assert len({event.offset for event in events}) == len(events)


async def test_a_watcher_that_leaves_in_the_middle_goes_on_where_it_was(tmp_path: Path) -> None:
    queue = f"watched-{uuid.uuid4().hex[:8]}"
    run = await Runner.start("Looker", "go", task_queue=queue)
    async with worker(tmp_path, "looking_agents", AGENTS, queue):
        seen: list[RunEvent] = []
        async for event in run.events():
            seen.append(event)
            if name_of(event) == "tool_output":
                break
        again = await Runner.get(run.id)
        seen += await watched(again, after=seen[-1].offset)
    assert [name_of(event) for event in seen] == TOLD


async def streaming_script(run_id: str, marker: Path) -> tuple[int, list[Any]]:
    script = Path(__file__).with_name("streaming_script.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), run_id, str(marker),
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(script.parents[2])},
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode or 0, [json.loads(line) for line in out.decode().splitlines()]


@pytest.mark.thorough
async def test_a_program_that_is_killed_in_the_middle_of_a_word_shows_the_whole_text_when_started_again(
    tmp_path: Path,
) -> None:
    run_id = f"streaming-{uuid.uuid4().hex[:8]}"
    code, before = await streaming_script(run_id, tmp_path / "died")
    assert (code, before[-2:]) == (-signal.SIGKILL, [["word", 1, "one"], ["word", 1, " two"]])
    code, after = await streaming_script(run_id, tmp_path / "died")
    assert code == 0
    assert after == [
        ["item", "tool_called"],
        ["item", "tool_output"],
        ["word", 2, "one"],
        ["word", 2, " two"],
        ["word", 2, " three"],
        ["item", "message_output_created"],
        ["final", "one two three"],
    ]
