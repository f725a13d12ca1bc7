"""An item that the blob store lacks, or that was changed there, is named: with its run, its digest and what to do."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from perdure import BlobUnavailable, RunConfig, Runner, function_tool
from perdure.blob_directory import DirectoryBlobStore
from perdure.blobs import store_item
from perdure.connection import connect
from perdure.contracts.run import RunInput
from perdure.contracts.steps import CALL_MODEL
from perdure.run import Run
from perdure.served import ServedAgents
from perdure.testing import tool_call
from tests.activities.workbench import user
from tests.agents import scripted
from worker import WorkerSettings, build_worker

LONG = 100_000  # characters: more than an item of a history may have


def delete(file: Path) -> None:
    file.unlink()


def tamper(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)


@function_tool
async def read(page: str, length: int) -> str:
    """Read a page."""
    return page + "." * length


async def ended(what: str) -> Run:
    """A run with one thing in the blob store that no other run has."""
    unique = uuid.uuid4().hex
    given: Any = [user(unique + "." * LONG)] if what == "input" else "go"
    pages = {"input": [], "chunk": [30_000] * 4}.get(what, [LONG])
    calls = [tool_call("read", {"page": unique, "length": length}) for length in pages]
    bound = {"tool_output_bytes": 2_000} if what == "whole" else {}
    config = RunConfig(history_events=20, **bound)
    run = await Runner.start(scripted(*calls, "done", tools=[read]), given, max_turns=None, run_config=config)
    await run.result()
    return run


def blobs_of(home: Path) -> dict[str, Path]:
    return {file.name: file for file in (home / "blobs").rglob("*") if file.is_file() and len(file.name) == SHA256}


SHA256 = 64  # digits; what else lies there is no blob
HARM = pytest.mark.parametrize(
    ("harm", "said"),
    [(delete, "is not in .* restore the file"), (tamper, "was changed: .* Restore it from a copy")],
)


@pytest.mark.thorough
@HARM
@pytest.mark.parametrize("what", ["input", "output", "chunk", "whole"])
async def test_who_reads_a_run_is_told_which_blob_it_lacks(
    harm: Callable[[Path], None], said: str, what: str, home: Path
) -> None:
    await connect()
    before = blobs_of(home)
    run = await ended(what)
    own = {name: file for name, file in blobs_of(home).items() if name not in before}
    digest, file = max(own.items(), key=lambda each: len(DirectoryBlobStore(home / "blobs").get(each[0])))
    kept = file.read_bytes()
    harm(file)
    try:
        with pytest.raises(BlobUnavailable, match=said) as raised:
            await (await Runner.get(run.id)).transcript()
    finally:
        file.write_bytes(kept)
    assert f"Run {run.id!r} cannot be read" in raised.value.message
    assert digest in raised.value.message
    assert await (await Runner.get(run.id)).transcript()


async def started(folder: Path) -> tuple[WorkflowHandle[Any, Any], Path]:
    """A run that nobody serves yet, with an input in a store of its own, and the blob's file."""
    item = store_item(user("." * LONG), DirectoryBlobStore(folder))
    digest = item["perdure_blob"]["sha256"]
    run_id = f"lacking-{uuid.uuid4().hex[:8]}"
    given = RunInput(agent="Scripted", input=[item])
    handle = await (await connect()).client.start_workflow("AgentRun", given, id=run_id, task_queue=run_id)
    return handle, folder / digest[:2] / digest


async def outcome_of(handle: WorkflowHandle[Any, Any], folder: Path, meanwhile: Callable[[int], None]) -> Any:
    """Serves the run to its end; `meanwhile` is told how many attempts its model call has had."""
    served = ServedAgents()
    served.serve([scripted("done")], asyncio.get_running_loop())
    client = (await connect()).client
    async with build_worker(client, served, DirectoryBlobStore(folder), WorkerSettings(handle.id)):
        ending = asyncio.create_task(handle.result())
        while not (await asyncio.wait([ending], timeout=0.1))[0]:
            pending = (await handle.describe()).raw_description.pending_activities
            meanwhile(max((each.attempt for each in pending if each.activity_type.name == CALL_MODEL), default=0))
        return await ending


@HARM
async def test_a_blob_that_lacks_is_looked_for_again_and_the_run_goes_on_when_it_is_restored(
    harm: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    handle, file = await started(tmp_path)
    kept = file.read_bytes()
    harm(file)

    def restore(attempts: int) -> None:
        if attempts > 2:
            file.write_bytes(kept)
        elif attempts == 2:
            file.write_bytes(kept[: len(kept) // 2])  # as a copy under way

    outcome = await outcome_of(handle, tmp_path, restore)
    assert outcome["final_output"] == "done"


async def told(result: asyncio.Task[Any]) -> BlobUnavailable:
    with pytest.raises(BlobUnavailable) as raised:
        await result
    return raised.value


@pytest.mark.thorough
@HARM
async def test_a_blob_that_is_not_restored_ends_the_run_with_its_name(
    harm: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    handle, file = await started(tmp_path)
    harm(file)
    result = asyncio.create_task((await Runner.get(handle.id)).result())
    with pytest.raises(WorkflowFailureError) as raised:
        await outcome_of(handle, tmp_path, lambda attempts: None)
    cause = raised.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "BlobUnavailable"
    assert re.search(said, cause.message)
    for message in (cause.message, (await asyncio.wait_for(told(result), 60)).message):
        assert f"Run {handle.id!r} cannot be read" in message
        assert file.name in message
