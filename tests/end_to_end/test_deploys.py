"""A rolling deploy: a worker that is told to stop finishes the model call under way, so that nobody pays it twice."""

from __future__ import annotations

import asyncio
import signal
import uuid
from pathlib import Path

import pytest

from perdure import Runner
from tests.end_to_end.workers import worker

AGENTS = '''
import asyncio
from pathlib import Path
from perdure import Agent, function_tool
from perdure.testing import ScriptedModel, tool_call

PAID = Path(__file__).with_name("paid")


class Slow(ScriptedModel):
    async def get_response(self, *args, **options):
        with PAID.open("a") as file:
            file.write("asked\\n")
        await asyncio.sleep(2.0)
        return await super().get_response(*args, **options)


@function_tool
def look() -> str:
    """Look."""
    return "seen"

clerk = Agent(name="Clerk", model=Slow([tool_call("look", {}), tool_call("look", {}), "done"]), tools=[look])
'''


@pytest.mark.thorough
async def test_a_deploy_in_the_middle_of_each_model_call_pays_none_twice(tmp_path: Path) -> None:
    queue, paid = f"test-{uuid.uuid4().hex[:8]}", tmp_path / "paid"
    run = await Runner.start("Clerk", "look twice", task_queue=queue)
    for call in range(1, 4):
        async with worker(tmp_path, "clerk_agents", AGENTS, queue) as process:
            async with asyncio.timeout(30):
                while not paid.exists() or len(paid.read_text().splitlines()) < call:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    async with worker(tmp_path, "clerk_agents", AGENTS, queue):
        assert (await run.result()).final_output == "done"
    assert len(paid.read_text().splitlines()) == 3
