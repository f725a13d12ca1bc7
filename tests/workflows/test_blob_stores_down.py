"""A blob store that cannot be reached ends no run: what needs it waits for it, with that reason."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import uuid
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from activities import patience
from perdure import Agent, RunCancelled, Runner, function_tool
from perdure.blob_directory import DirectoryBlobStore
from perdure.blobs import store_item
from perdure.client.host import Host
from perdure.connection import connect
from perdure.contracts.run import RunInput, RunSettings
from perdure.run import Run
from perdure.served import ServedAgents
from perdure.testing import tool_call
from tests.activities.workbench import user
from tests.agents import scripted
from worker import WorkerSettings, build_worker

LONG = 100_000  # characters: more than an item of a history may have


class Share:
    """A directory that can be out of reach, as one of another machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = DirectoryBlobStore(root)
        root.mkdir()

    def go(self) -> None:
        self.root.rename(self.root.with_name("aside"))
        self.root.write_text("no directory any more")

    def come_back(self) -> None:
        self.root.unlink()
        self.root.with_name("aside").rename(self.root)


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Share:
    monkeypatch.setenv("PERDURE_BLOBS", str(tmp_path / "share"))
    return Share(tmp_path / "share")


@contextlib.asynccontextmanager
async def served(share: Share, agent: Agent[Any], *given: dict[str, Any], **settings: Any) -> AsyncGenerator[Run]:
    """A run under way on a worker that keeps its blobs in the share."""
    run_id = f"share-{uuid.uuid4().hex[:8]}"
    client, host = (await connect()).client, Host.current()
    await host.call(host.serve_effects())
    agents = ServedAgents()
    agents.serve([agent], asyncio.get_running_loop())
    async with build_worker(client, agents, share.store, WorkerSettings(run_id)):
        wanted = RunInput(agent="Scripted", input=list(given), settings=RunSettings(**settings))
        await client.start_workflow("AgentRun", wanted, id=run_id, task_queue=run_id)
        yield await Runner.get(run_id)


async def until_it_waits(run: Run, waits_for: str, words: str) -> None:
    """Until what the run waits for is of this kind, and the sentence about it has these words."""
    async with asyncio.timeout(60):
        while (said := await run.why()).waits_for != waits_for or words not in said.sentence:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_a_step_that_cannot_read_is_offered_again_until_the_store_is_back(share: Share) -> None:
    item = store_item(user("." * LONG), share.store)
    share.go()
    async with served(share, scripted("done"), item) as run:
        await until_it_waits(run, "other worker", f"The blob store {share.root} cannot be read now")
        share.come_back()
        assert (await run.result()).final_output == "done"


async def test_a_result_that_cannot_be_written_is_made_again_where_that_may_be(share: Share) -> None:
    calls = []

    @function_tool
    async def read(page: str) -> str:
        """Read a page."""
        calls.append(page)
        return "." * LONG

    share.go()
    async with served(share, scripted(tool_call("read", {"page": "1"}), "done", tools=[read]), user("go")) as run:
        await until_it_waits(run, "next attempt", f"The blob store {share.root} cannot be written now")
        share.come_back()
        assert (await run.result()).final_output == "done"
    assert calls == ["1"] * len(calls)
    assert len(calls) > 1


async def test_of_an_effect_whose_result_cannot_be_written_a_person_is_asked_and_it_is_not_had_again(
    share: Share,
) -> None:
    paid = []

    @function_tool(effect="once")
    async def pay(order: str) -> str:
        """Pay an order."""
        paid.append(order)
        return "." * LONG

    share.go()
    async with served(share, scripted(tool_call("pay", {"order": "7"}), "done", tools=[pay]), user("go")) as run:
        await until_it_waits(run, "outcome", f"The blob store {share.root} cannot be written now")
        share.come_back()
        (unknown,) = (await run.status()).unknown
        await run.resolve(unknown.call_id, "happened", result="paid", by="ana")
        assert (await run.result()).final_output == "done"
    assert paid == ["7"]


async def test_after_ten_answers_that_could_not_be_written_the_run_is_paused(
    share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_LONGEST_SECONDS", 0.05)
    agent = scripted(*["." * LONG] * 11)
    share.go()
    async with served(share, agent, user("go")) as run:
        await until_it_waits(run, "resume", f"The blob store {share.root} cannot be written now")
        share.come_back()
        await run.resume(by="ana")
        assert (await run.result()).final_output == "." * LONG


async def test_a_run_that_is_cancelled_while_it_writes_its_older_items_stops(
    share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, begun = share.store.put, threading.Event()

    def slowly(data: bytes) -> str:
        begun.set()
        time.sleep(2.0)
        return put(data)

    @function_tool
    async def read(page: int) -> str:
        """Read a page."""
        return str(page) * 30_000

    monkeypatch.setattr(share.store, "put", slowly)
    agent = scripted(*[tool_call("read", {"page": page}) for page in range(6)], "done", tools=[read])
    async with served(share, agent, user("go"), history_events=20) as run:
        assert await asyncio.to_thread(begun.wait, 60)
        await run.cancel()
        with pytest.raises(RunCancelled):
            await asyncio.wait_for(run.result(), 30)
