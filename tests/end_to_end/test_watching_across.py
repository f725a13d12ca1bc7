"""What a model says reaches watchers in other processes: word by word, never twice, at no cost for the run."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from perdure import RunEvent, Runner, RunNotFound, UserError
from perdure.client.host import Host
from perdure.contracts.watching import WATCH, watch_id
from perdure.event_transport import Delta, use_transport
from perdure.run import Run
from tests.end_to_end.workers import ROOT, worker

AGENTS = '''
import asyncio
from pathlib import Path

from perdure import Agent, function_tool
from perdure.testing import ScriptedModel, tool_call


class Halting(ScriptedModel):
    """Says no more than two words of an answer while there is no file `go`."""

    async def stream_response(self, *args, **options):
        words = 0
        async for event in super().stream_response(*args, **options):
            yield event
            words += event.type == "response.output_text.delta"
            while words == 2 and not Path("go").exists():
                Path("halted").touch()
                await asyncio.sleep(0.02)


@function_tool
async def look(at: str) -> str:
    """Look at something, once somebody watches."""
    while Path("wait").exists():
        await asyncio.sleep(0.02)
    return f"a {at}"


SCRIPT = [tool_call("look", {"at": "bird"}), "one two three\\nand four"]
speaker = Agent(name="Speaker", model=Halting(SCRIPT), tools=[look])
'''
TEXT = "one two three\nand four"
LOST_TASK = [
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
]
# A worker that keeps no run in memory replays it for each question, and temporalio loses some of many at once.
MANY = 3 if os.environ.get("PERDURE_MAX_CACHED_WORKFLOWS") == "0" else 20


@pytest.fixture
def queue() -> str:
    return f"across-{uuid.uuid4().hex[:8]}"


def word(event: RunEvent) -> str | None:
    """The word that a model says in an event."""
    happened = event.event
    if happened.type == "raw_response_event" and happened.data.type == "response.output_text.delta":
        return happened.data.delta
    return None


class Watcher:
    """Reads a run as a person would: text as it comes, replaced as a whole when an answer begins anew."""

    def __init__(self, run: Run, after: str | None = None) -> None:
        self.texts: dict[int, str] = {}
        self.told: list[str] = []
        self._called, self._two = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._read(run, after))

    async def _read(self, run: Run, after: str | None) -> None:
        async for event in run.events(after=after, raw=True):
            if (said := word(event)) is not None:
                assert event.event.type == "raw_response_event"
                attempt = event.event.attempt
                self.texts[attempt] = self.texts.get(attempt, "") + said
                assert TEXT.startswith(self.texts[attempt])
                if self.texts[attempt] == "one two":
                    self._two.set()
            elif event.event.type != "raw_response_event":
                self.told.append(event.offset)
                if event.offset == "1.1":
                    self._called.set()

    async def heard_of_call(self) -> None:
        async with asyncio.timeout(60):
            await self._called.wait()

    async def heard_two(self) -> None:
        async with asyncio.timeout(60):
            await self._two.wait()

    async def end(self) -> None:
        async with asyncio.timeout(60):
            await self._task


async def kinds_of(run_id: str) -> list[int]:
    """The kinds of the events in a run's history; a task that a busy machine has lost is the one that followed it."""
    host = Host.current()

    async def kinds() -> list[int]:
        handle = (await host.connection()).client.get_workflow_handle(run_id)
        return [event.event_type async for event in handle.fetch_history_events()]

    found: list[int] = []
    for kind in await host.call(kinds()):
        found.append(kind)
        if found[-3:] == LOST_TASK:
            del found[-3:]
    return found


async def test_an_agent_by_name_is_streamed_as_one_of_this_process(tmp_path: Path, queue: str) -> None:
    source = AGENTS.replace('"Speaker"', f'"{queue}"')
    async with worker(tmp_path, "speaking_agents", source, "perdure"):
        result = Runner.run_streamed(queue, "go")
        told: list[str] = []
        async for event in result.stream_events():
            told.append(event.name if event.type == "run_item_stream_event" else getattr(event, "data", event).type)
            if told[-1] == "response.output_text.delta":
                (tmp_path / "go").touch()
    assert result.final_output == TEXT
    assert [each for each in told if not each.startswith("response.")] == [
        "agent_updated_stream_event", "tool_called", "tool_output", "message_output_created",
    ]  # fmt: skip
    assert told.count("response.output_text.delta") == 5
    assert told[-2:] == ["response.completed", "message_output_created"]


@pytest.mark.thorough
async def test_watchers_elsewhere_add_nothing_to_the_history(tmp_path: Path, queue: str) -> None:
    (tmp_path / "go").touch()
    async with worker(tmp_path, "speaking_agents", AGENTS, queue) as process:
        alone = await Runner.start("Speaker", "go", task_queue=queue)
        await alone.result()
        (tmp_path / "go").unlink()
        (tmp_path / "wait").touch()
        run = await Runner.start("Speaker", "go", task_queue=queue)
        watchers = [Watcher(run) for _ in range(MANY)]
        await asyncio.gather(*(each.heard_of_call() for each in watchers))
        (tmp_path / "wait").unlink()
        await asyncio.gather(*(each.heard_two() for each in watchers))
        (tmp_path / "go").touch()
        await asyncio.gather(*(each.end() for each in watchers))
        asked = await kinds_of(watch_id(f"{process.pid}@{os.uname().nodename}"))
    assert [[*each.texts] for each in watchers] == [[1]] * MANY  # of a text that each has heard the beginning of
    assert [each.told for each in watchers] == [["0.0", "1.1", "1.2", "2.1"]] * MANY
    assert await kinds_of(run.id) == await kinds_of(alone.id)
    assert len(asked) <= 10  # of the process, not of a run, however many watch and however long an answer is


@pytest.mark.thorough
async def test_a_worker_that_is_killed_in_the_middle_of_a_word_has_the_text_replaced(
    tmp_path: Path, queue: str
) -> None:
    (tmp_path / "wait").touch()
    async with worker(tmp_path, "speaking_agents", AGENTS, queue) as first:
        run = await Runner.start("Speaker", "go", task_queue=queue)
        watcher = Watcher(run)
        await watcher.heard_of_call()
        (tmp_path / "wait").unlink()
        await watcher.heard_two()
        first.kill()
        await first.wait()
    (tmp_path / "go").touch()
    async with worker(tmp_path, "speaking_agents", AGENTS, queue):
        await watcher.end()
    assert watcher.texts == {1: "one two", 2: TEXT}
    assert watcher.told == ["0.0", "1.1", "1.2", "2.1"]


async def test_a_watcher_that_comes_in_the_middle_of_an_answer_is_told_it_from_its_beginning(
    tmp_path: Path, queue: str
) -> None:
    async with worker(tmp_path, "speaking_agents", AGENTS, queue):
        (tmp_path / "wait").touch()
        run = await Runner.start("Speaker", "go", task_queue=queue)
        first = Watcher(run)
        await first.heard_of_call()
        (tmp_path / "wait").unlink()
        await first.heard_two()
        late, later = Watcher(await Runner.get(run.id)), Watcher(await Runner.get(run.id), after="1.2")
        await asyncio.gather(late.heard_two(), later.heard_two())
        (tmp_path / "go").touch()
        await asyncio.gather(first.end(), late.end(), later.end())
    assert [each.texts for each in (first, late, later)] == [{1: TEXT}] * 3
    assert later.told == ["2.1"]


async def watch_command(run_id: str, *options: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "perdure.cli", "watch", run_id, *options]
    return await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )


async def read_until(process: asyncio.subprocess.Process, text: bytes) -> bytes:
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(60):
        while text not in said:
            part = await process.stdout.read(1000)
            assert part, f"it ended: {said!r}"
            said += part
    return said


@pytest.mark.thorough
async def test_the_command_shows_words_as_they_come_and_goes_on_after_its_death(tmp_path: Path, queue: str) -> None:
    async with worker(tmp_path, "speaking_agents", AGENTS, queue):
        (tmp_path / "wait").touch()
        run = await Runner.start("Speaker", "go", task_queue=queue)
        killed = await watch_command(run.id)
        seen = await read_until(killed, b"1.1")
        (tmp_path / "wait").unlink()
        seen += await read_until(killed, b"assistant: one two")
        killed.send_signal(signal.SIGKILL)
        await killed.wait()
        again, as_json = await watch_command(run.id, "--after", "1.2"), await watch_command(run.id, "--json")
        shown = await read_until(again, b"assistant: one two")
        documents = await read_until(as_json, b'" two"')
        (tmp_path / "go").touch()
        shown += (await again.communicate())[0]
        documents += (await as_json.communicate())[0]
    assert seen.decode().splitlines() == [
        "0.0    agent: Speaker", '1.1    call: look {"at": "bird"}', "1.2    output: a bird",
        "2.1    assistant: one two",
    ]  # fmt: skip
    assert shown.decode().splitlines() == ["2.1    assistant: one two three", "         and four"]
    told: list[dict[str, Any]] = [json.loads(line) for line in documents.decode().splitlines()]
    assert "".join(each["delta"] for each in told if each["type"] == "text_delta") == TEXT
    assert told[-1]["name"] == "message_output_created"


class Broken:
    """A transport that fails in every way."""

    def is_watched(self, run_id: str) -> bool:
        raise OSError("no way")

    def publish(self, run_id: str, delta: Delta) -> None:
        raise OSError("no way")

    async def watch(self, run_id: str, task_queue: str, take: Any) -> Any:
        raise OSError("no way")


@pytest.fixture
def broken() -> Iterator[None]:
    use_transport(Broken())
    yield
    use_transport(None)


@pytest.mark.usefixtures("broken")
async def test_a_transport_that_fails_costs_a_run_and_its_watcher_nothing_else(tmp_path: Path, queue: str) -> None:
    (tmp_path / "go").touch()
    source = f"{AGENTS}\nfrom perdure.event_transport import use_transport\nuse_transport(object())\n"
    async with worker(tmp_path, "speaking_agents", source, queue):
        run = await Runner.start("Speaker", "go", task_queue=queue)
        watcher = Watcher(run)
        await watcher.end()
    assert (watcher.texts, watcher.told) == ({}, ["0.0", "1.1", "1.2", "2.1"])


@pytest.mark.thorough
async def test_an_offset_that_never_was_is_refused_and_a_run_that_is_over_or_gone_is_told_as_such(
    tmp_path: Path, queue: str
) -> None:
    (tmp_path / "go").touch()
    async with worker(tmp_path, "speaking_agents", AGENTS, queue):
        run = await Runner.start("Speaker", "go", task_queue=queue)
        await run.result()
        with pytest.raises(UserError, match=r"has the offset '7\.1'"):
            await anext(run.events(after="7.1", raw=True))
        again = await Runner.get(run.id)
        watcher = Watcher(again)
        await watcher.end()
        await again.delete()
        with pytest.raises(RunNotFound, match="No run"):
            await anext(again.events(raw=True))
    assert (watcher.texts, watcher.told) == ({}, ["0.0", "1.1", "1.2", "2.1"])


@pytest.mark.thorough
async def test_a_run_that_goes_on_in_new_histories_is_told_on(tmp_path: Path, queue: str) -> None:
    (tmp_path / "go").touch()
    source = AGENTS.replace("SCRIPT = [", "SCRIPT = [" + 'tool_call("look", {"at": "tree"}), ' * 9)
    async with worker(tmp_path, "speaking_agents", source, queue):
        run = await Runner.start("Speaker", "go", task_queue=queue, max_turns=20, run_config={"history_events": 20})
        watcher = Watcher(run)
        await watcher.end()
    assert (watcher.texts, watcher.told[-1]) == ({1: TEXT}, "11.1")


async def test_the_place_to_ask_refuses_what_is_no_question(queue: str) -> None:
    host = Host.current()

    async def ask(*given: Any) -> Any:
        client = (await host.connection()).client
        handle = await client.start_workflow(
            WATCH, "what", id=f"watch/{uuid.uuid4().hex}", task_queue=await host.serve_watchers()
        )
        await handle.signal("approve", "what")
        try:
            return await handle.query("take", args=list(given))
        finally:
            await handle.terminate()

    answer = await host.call(ask({"run_id": "nobody's"}))
    assert not answer.get("events")
    for given in (
        (),
        (1,),
        ({"run_id": 7},),
        ({"run_id": "a", "number": -1},),
        ({"run_id": "a" * 1001},),
        ({"run_id": "a"}, 2),
    ):
        with pytest.raises(Exception, match="This is no TakeRequest"):
            await host.call(ask(*given))
