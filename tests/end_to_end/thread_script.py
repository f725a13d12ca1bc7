"""A program that speaks in a thread with an agent of its own; it dies in its tool the first time, if it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from perdure import Agent, Runner, function_tool
from perdure.testing import ScriptedModel, tool_call

THREAD, MESSAGE, MARK = sys.argv[1], sys.argv[2], Path(sys.argv[3])


@function_tool
async def look(word: str) -> str:
    """Looks a word up."""
    if not MARK.exists():
        MARK.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{word} it is"


SCRIPT = [answer for word in ("one", "two") for answer in (tool_call("look", {"word": word}), f"looked {word} up")]


async def main() -> None:
    agent = Agent(name="Looker", model=ScriptedModel(SCRIPT), tools=[look])
    result = await Runner.run(agent, MESSAGE, thread=THREAD, message_id=MESSAGE)
    history = await (await Runner.thread(THREAD)).history()
    print(f"{result.final_output}, {len(result.new_items)} of {len(history)} items")


asyncio.run(main())
