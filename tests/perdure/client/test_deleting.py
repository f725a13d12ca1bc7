"""A run that has ended can be deleted: its histories, and its blobs that no other run needs."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from perdure import Agent, DeletedRun, RunNotFound, UserError, function_tool
from perdure.client.deleting import delete_run
from perdure.testing import tool_call
from tests.agents import scripted
from tests.namespaces import Place, new_place

pytestmark = pytest.mark.thorough


@function_tool
async def read(page: str, length: int) -> str:
    """Read a page."""
    return page * length


def reader(*pages: str, length: int = 100_000) -> Agent[object]:
    calls = [tool_call("read", {"page": page, "length": length}) for page in pages]
    return scripted(*calls, "done", name="Reader", tools=[read])


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    return await new_place(tmp_path)


async def deleted(place: Place, run_id: str) -> DeletedRun:
    place.age()
    return await delete_run(place.connection, place.blobs, run_id, lambda text: None)


async def listed(place: Place) -> set[str]:
    return {each.id async for each in place.client.list_workflows()}


async def test_a_run_goes_with_its_blobs_and_those_of_other_runs_stay(place: Place) -> None:
    other = await place.ran(reader("shared", "theirs"))
    theirs = place.digests
    run_id = await place.ran(reader("shared", "own"))
    assert len(place.digests - theirs) == 1
    done = await deleted(place, run_id)
    assert place.digests == theirs
    assert (done.histories, done.blobs, done.kept) == (1, 1, "")
    assert await listed(place) == {other}
    with pytest.raises(RunNotFound):
        await deleted(place, run_id)
    again = await place.client.start_workflow("AgentRun", {}, id=run_id, task_queue="nobody")  # its id is free
    await again.terminate()


async def test_a_run_goes_with_the_effects_that_it_had_and_not_with_those_of_others(place: Place) -> None:
    @function_tool(effect="once", key="pay:{what}")
    async def pay(what: str) -> str:
        """Pay."""
        return "x" * 100_000

    @function_tool(effect="once")
    async def mail() -> str:
        """Mail."""
        return "mailed"

    def payer(*what: str) -> Agent[object]:
        calls = [*(tool_call("pay", {"what": each}) for each in what), tool_call("mail", {})]
        return scripted(*calls, "done", name="Payer", tools=[pay, mail])

    other = await place.ran(payer("rent"))
    theirs = await listed(place)
    run_id = await place.ran(payer("rent", "water"))
    assert len(await listed(place) - theirs) == 3
    done = await deleted(place, run_id)
    assert (done.histories, done.kept) == (3, "")
    assert await listed(place) == theirs
    assert {"effect/pay:rent", other} < theirs


async def test_a_long_run_goes_with_all_its_histories_and_chunks_even_if_it_lacks_one(place: Place) -> None:
    run_id = await place.ran(reader(*"abcdef", length=30_000), history_events=20)
    place.file(min(place.digests)).unlink()
    chunks = len(place.digests)
    assert chunks
    done = await deleted(place, run_id)
    assert done.histories >= 3
    assert (done.blobs, place.digests, await listed(place)) == (chunks, set(), set())


async def test_what_only_another_run_s_chunk_names_stays(place: Place) -> None:
    """The other run's chunk is none of the deleted run's blobs, and is looked into all the same."""
    await place.ran(reader("shared", *"abcd", length=70_000), history_events=20)
    theirs = place.digests
    run_id = await place.ran(reader("shared", length=70_000))
    assert place.digests == theirs
    done = await deleted(place, run_id)
    assert (done.blobs, place.digests) == (0, theirs)


async def test_a_run_that_has_not_ended_is_not_deleted(place: Place) -> None:
    handle = await place.start("Reader", [{"role": "user", "content": "go"}])
    with pytest.raises(UserError, match=r"has not ended; nothing was deleted\. Cancel it first"):
        await deleted(place, handle.id)
    assert handle.id in await listed(place)
    await handle.terminate()


async def test_a_workflow_that_is_no_run_is_not_deleted(place: Place) -> None:
    handle = await place.client.start_workflow("Another", id="another", task_queue="nobody")
    await handle.terminate()
    with pytest.raises(UserError, match="'another' is no run but a workflow of type 'Another'"):
        await deleted(place, "another")


async def test_where_others_share_the_store_the_run_goes_and_its_blobs_stay(place: Place) -> None:
    run_id = await place.ran(reader("own"))
    place.blobs.join("another-id", "production")
    done = await deleted(place, run_id)
    assert await listed(place) == set()
    assert (done.histories, done.blobs, len(place.digests)) == (1, 0, 1)
    assert "shared with another namespace, production" in done.kept


async def test_what_was_just_written_is_removed_once_every_run_that_wrote_it_has_named_it(place: Place) -> None:
    run_id = await place.ran(reader("own"))
    began = min(blob.written for blob in place.blobs.stored())
    deleting = asyncio.create_task(delete_run(place.connection, place.blobs, run_id, lambda text: None))
    while run_id in await listed(place):
        assert place.digests
        await asyncio.sleep(0.2)
    assert (await deleting).blobs == 1
    assert time.time() - began > 9
