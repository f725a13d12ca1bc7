"""A thread outlives its workers and its clients: each message is said once, answered once, and kept word for word."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from perdure import RunConfig, Runner
from tests.end_to_end.workers import ROOT, worker
from tests.workflows.test_long_runs import executions_of
from tests.workflows.threads import new_name, text_of

ECHO = '''
from perdure import Agent, ModelResponse, Usage
from perdure.testing import ScriptedModel, message


class Echo(ScriptedModel):
    """Says how many words it was told so far, and the last ones."""

    def __init__(self):
        super().__init__([])

    async def get_response(self, system_instructions, input, *rest, **more):
        said = [item["content"] for item in input if item.get("role") == "user"]
        item = {"id": f"msg_{len(said)}", **message(f"{len(said)}. you said: {said[-1]}")}
        return ModelResponse([item], Usage.of_request(10, 5), f"resp_{len(said)}")


echo = Agent(name="Echo", model=Echo())
'''

WRITER = """
import asyncio, sys
from perdure import Runner

async def main():
    _, thread, queue, name = sys.argv
    for number in range(8):
        named = {"thread": thread, "message_id": f"{name}{number}"}
        run = await Runner.start("Echo", f"{name} {number}", task_queue=queue, **named)
        print((await run.result()).final_output, flush=True)

asyncio.run(main())
"""

SHORT = pytest.param(12, 6, 3, marks=pytest.mark.thorough)
LONG = pytest.param(500, 50, 10, marks=[pytest.mark.chaos, pytest.mark.timeout(1800)])


def sent(number: int) -> str:
    """Words that differ from message to message, some of them long, some not of ASCII."""
    return f"message {number} " + ("ünïcode ✓ " * (number % 7)) + ("long " * 200 if number % 11 == 0 else "")


def answered(number: int) -> str:
    return f"{number + 1}. you said: {sent(number)}"


@pytest.mark.parametrize(("messages", "restart_every", "at_once"), [SHORT, LONG])
async def test_what_was_said_is_kept_word_for_word_while_workers_are_killed(
    messages: int, restart_every: int, at_once: int, tmp_path: Path
) -> None:
    name, queue = new_name("words"), new_name("queue")
    config = RunConfig(history_events=150)

    async def say(number: int) -> Any:
        options: dict[str, Any] = {"thread": name, "message_id": f"m{number}", "run_config": config}
        return await Runner.start("Echo", sent(number), task_queue=queue, **options)

    said: list[str] = []
    for first in range(0, messages, restart_every):
        async with worker(tmp_path, "echoes", ECHO, queue):  # killed at the end, with messages under way
            for start in range(first, first + restart_every - at_once, at_once):
                runs = [await say(number) for number in range(start, start + at_once)]
                said += [(await run.result()).final_output for run in runs]
            left = [await say(number) for number in range(first + restart_every - at_once, first + restart_every)]
        async with worker(tmp_path, "echoes", ECHO, queue):
            said += [(await run.result()).final_output for run in left]
    assert said == [answered(number) for number in range(messages)]
    async with worker(tmp_path, "echoes", ECHO, queue):
        thread = await Runner.thread(name)
        words = [text_of(item) for item in await thread.history()]
        again = await (await say(messages - 2)).result()
        status = await thread.status()
    assert words == [word for number in range(messages) for word in (sent(number), answered(number))]
    assert again.final_output == answered(messages - 2)
    assert status.thread is not None
    assert (status.thread.taken, status.thread.usage.requests) == (messages, messages)
    assert len(await executions_of(thread.id)) >= messages // 15


async def test_two_processes_that_write_one_thread_at_once_are_both_answered_in_their_order(tmp_path: Path) -> None:
    name, queue = new_name("writers"), new_name("queue")
    script = tmp_path / "writer.py"
    script.write_text(WRITER)

    async def write(who: str) -> list[str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), name, queue, who,
            stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        out, _ = await process.communicate()
        assert process.returncode == 0
        return out.decode().splitlines()

    async with worker(tmp_path, "echoes", ECHO, queue):
        ana, bob = await asyncio.gather(write("ana"), write("bob"))
        history = [text_of(item) for item in await (await Runner.thread(name)).history()]
    asked, replies = history[0::2], history[1::2]
    assert replies == [f"{place}. you said: {text}" for place, text in enumerate(asked, 1)]
    for who, told in (("ana", ana), ("bob", bob)):
        assert [text for text in asked if text.startswith(who)] == [f"{who} {number}" for number in range(8)]
        assert told == [reply for reply in replies if f": {who}" in reply]


@pytest.mark.thorough
async def test_a_later_process_goes_on_with_the_thread_of_one_that_was_killed(tmp_path: Path) -> None:
    name, mark = new_name("killed"), tmp_path / "mark"

    async def script(message: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(__file__).with_name("thread_script.py")), name, message, str(mark),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode().strip()

    assert (await script("one"))[0] == -signal.SIGKILL
    assert await script("one") == (0, "looked one up, 3 of 4 items")
    assert await script("two") == (0, "looked two up, 3 of 8 items")
    assert await script("one") == (0, "looked one up, 3 of 8 items")
