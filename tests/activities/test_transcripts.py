"""A transcript reaches user code whole: page by page, with what lies in the blob store, around live agents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.transcripts import Transcript, Transcripts, item_of
from perdure.agent import Agent
from perdure.blob_directory import DirectoryBlobStore
from perdure.blobs import store_item
from perdure.contracts.run import PageEntry, PageRequest, TranscriptPage
from perdure.contracts.steps import TranscriptName
from perdure.items import HandoffOutputItem
from perdure.run_config import RunConfig
from perdure.served import AgentNotServed
from perdure.snapshot import Member
from tests.activities.workbench import ToldRun, assistant, output_item, user


class Hesitant(ToldRun):
    """A run that tells one item at a time."""

    async def query(self, name: str, *, args: Sequence[Any], **options: Any) -> TranscriptPage:
        wanted: PageRequest = args[0]
        return await super().query(name, args=[wanted.model_copy(update={"upto": wanted.start + 1})], **options)


def entry(item: dict[str, Any], kind: Any = "answer", **more: Any) -> PageEntry:
    return PageEntry(item=item, kind=kind, agent="A", turn=1, **more)


async def read(run: ToldRun, count: int, blobs: DirectoryBlobStore | None = None) -> Transcript:
    transcripts = Transcripts(cast("Client", run), blobs)
    return await ActivityEnvironment().run(transcripts.read, TranscriptName(count=count))


async def test_pages_are_read_until_all_is_there() -> None:
    transcript = await read(
        Hesitant([entry(user("hi"), "input"), entry(assistant("ho")), entry(assistant("later"))]), 2
    )
    assert [each.item for each in transcript.entries] == [user("hi"), assistant("ho")]
    assert (transcript.input_count, transcript.input(is_text=True), transcript.input(is_text=False)) == (
        1,
        "hi",
        [user("hi")],
    )


async def test_what_lies_in_the_blob_store_is_loaded(tmp_path: Path) -> None:
    blobs = DirectoryBlobStore(tmp_path)
    long = output_item("x" * 100_000)
    stored = store_item(long, blobs)
    transcript = await read(ToldRun([entry(stored, "output")]), 1, blobs)
    assert "perdure_blob" in stored
    assert transcript.entries[0].item == long


async def test_a_run_that_tells_too_little_is_asked_in_another_attempt() -> None:
    with pytest.raises(ApplicationError, match="told 1 of 2 items") as raised:
        await read(ToldRun([entry(user("hi"), "input")]), 2)
    assert (raised.value.type, raised.value.non_retryable) == ("TranscriptUnavailable", False)


def test_items_are_around_the_agents_that_took_part() -> None:
    first, second = Agent[Any](name="A"), Agent[Any](name="B")
    members = {"A": Member(first, RunConfig()), "B": Member(second, RunConfig())}
    item = item_of(entry(output_item("{}"), "handed_off", target="B"), members)
    assert isinstance(item, HandoffOutputItem)
    assert (item.source_agent, item.target_agent) == (first, second)


def test_an_agent_that_this_worker_lacks_is_another_workers_business() -> None:
    with pytest.raises(AgentNotServed, match="do not lead to 'A'"):
        item_of(entry(assistant("hi")), {})
