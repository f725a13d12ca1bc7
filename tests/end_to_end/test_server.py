"""The server dies in the middle of runs: whoever waits goes on waiting, and gets the result."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = '''
import asyncio, os, signal
from perdure import Agent, Runner, function_tool
from perdure.server import server_status
from perdure.testing import ScriptedModel, tool_call

killed = []

@function_tool
async def slow() -> str:
    """Take a while, in which the server dies."""
    if not killed:
        killed.append(os.kill(server_status().pid, signal.SIGKILL))
    await asyncio.sleep(1)
    return "ok"

@function_tool(needs_approval=True)
async def pay() -> str:
    """Pay."""
    return "paid"

model = ScriptedModel([tool_call("slow", {}), tool_call("pay", {}), "done"])
agent = Agent(name="Survivor", model=model, tools=[slow, pay])

async def main() -> None:
    run = await Runner.start(agent, "go")
    async for approval in run.watch_approvals():
        await run.approve(approval)
    print((await run.result()).final_output)

asyncio.run(main())
'''


@pytest.mark.thorough
def test_a_script_whose_embedded_server_is_killed_starts_it_again_and_goes_on(tmp_path: Path) -> None:
    environment = {**os.environ, "PERDURE_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
        assert done.stderr.count("has ended; connecting again") == 1
    finally:
        subprocess.run([sys.executable, "-m", "perdure.cli", "server", "stop"], env=environment, check=True)
