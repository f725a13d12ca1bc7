"""A rolling deploy: a worker that is told to stop finishes the model call under way, so that nobody pays it twice."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections import Counter
from contextlib import AsyncExitStack
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


ROLLING_AGENTS = """
import asyncio
import os
from pathlib import Path
from perdure import Agent, function_tool
from perdure.testing import ScriptedModel, tool_call

LOG = Path(__file__).with_name("log")


def note(what):
    with LOG.open("a") as file:  # one write, which the system appends whole
        file.write(f"{what} {os.getpid()}\\n")


class Slow(ScriptedModel):
    async def get_response(self, *args, **options):
        note("model")
        await asyncio.sleep(0.7)
        return await super().get_response(*args, **options)


@function_tool
async def pack(box: int) -> str:
    '''Pack a box.'''
    note("pack")
    await asyncio.sleep(0.7)
    return "packed"

calls = [tool_call("pack", {"box": box}) for box in range(10)]
packer = Agent(name="Packer", model=Slow([*calls, "done"]), tools=[pack])
"""
RUNS = 5


@pytest.mark.thorough
async def test_a_rolling_restart_of_all_workers_pays_no_call_and_runs_no_tool_twice(tmp_path: Path) -> None:
    queue, log = f"test-{uuid.uuid4().hex[:8]}", tmp_path / "log"
    async with AsyncExitStack() as stack:

        async def started() -> asyncio.subprocess.Process:
            return await stack.enter_async_context(worker(tmp_path, "rolling_agents", ROLLING_AGENTS, queue))

        old = [await started() for _ in range(2)]
        runs = [await Runner.start("Packer", "pack", task_queue=queue, max_turns=None) for _ in range(RUNS)]
        while len(log.read_text().splitlines() if log.exists() else []) < RUNS:  # noqa: ASYNC110  all are under way
            await asyncio.sleep(0.05)
        new = await asyncio.gather(started(), started())
        for process in old:
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        results = await asyncio.gather(*(run.result() for run in runs))
    assert [result.final_output for result in results] == ["done"] * RUNS
    done = [line.split() for line in log.read_text().splitlines()]
    assert Counter(what for what, _ in done) == {"model": 11 * RUNS, "pack": 10 * RUNS}
    workers = {int(pid) for _, pid in done}
    assert workers & {process.pid for process in old}, "the old workers had begun"
    assert workers & {process.pid for process in new}, "the new ones went on"


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


LOOKING_AGENTS = '''
import asyncio
from pathlib import Path
from perdure import Agent, function_tool
from perdure.testing import ScriptedModel, tool_call

FOLDER = Path(__file__).parent


class Silent(ScriptedModel):
    async def get_response(self, *args, **options):
        (FOLDER / "asked").touch()
        await asyncio.sleep(600)


@function_tool(local=LOCAL)
def look() -> str:
    """Look."""
    with (FOLDER / "looked").open("a") as file:
        file.write("looked\\n")
    return "seen"

clerk = Agent(name="Clerk", model=ScriptedModel([tool_call("look", {}), "done"]), tools=[look])
'''


@pytest.mark.thorough
@pytest.mark.parametrize("local", [False, True])
async def test_a_worker_whose_tool_is_another_leaves_calls_to_one_that_has_it(tmp_path: Path, *, local: bool) -> None:
    queue, agents = f"test-{uuid.uuid4().hex[:8]}", LOOKING_AGENTS.replace("LOCAL", str(local))
    silent = agents.replace("model=ScriptedModel", "model=Silent")
    another = agents.replace("def look() -> str", "def look(where: str = 'here') -> str")
    async with worker(tmp_path, "first", silent, queue) as first:
        run = await Runner.start("Clerk", "go", task_queue=queue)
        while not (tmp_path / "asked").exists():  # noqa: ASYNC110  another process touches it
            await asyncio.sleep(0.05)
        async with worker(tmp_path, "second", another, queue):
            first.kill()
            while (await run.why()).waits_for != "other worker":  # noqa: ASYNC110  the run is elsewhere
                await asyncio.sleep(0.05)
            async with worker(tmp_path, "third", agents, queue):
                assert (await run.result()).final_output == "done"
    assert (tmp_path / "looked").read_text().split() == ["looked"]
