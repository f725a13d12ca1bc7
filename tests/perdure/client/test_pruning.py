"""Blobs are removed only where it is certain that no run needs them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from perdure import Agent, BlobUnavailable, UserError, function_tool
from perdure.blobs import store_item
from perdure.client.deleting import delete_executions
from perdure.client.needing import Needs, payloads_of
from perdure.client.pruning import Pruned, prune
from perdure.testing import tool_call
from tests.agents import scripted
from tests.buckets import running_bucket
from tests.namespaces import Place, new_place

pytestmark = pytest.mark.thorough

HOUR = 3600.0


@function_tool
async def read(page: str, length: int) -> str:
    """Read a page."""
    return page * length


def reader(page: str, *lengths: int) -> Agent[Any]:
    calls = [tool_call("read", {"page": page, "length": length}) for length in lengths]
    return scripted(*calls, "done", name="Reader", tools=[read])


@pytest.fixture(params=["directory", "bucket"])
async def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    if request.param == "directory":
        yield await new_place(tmp_path)
        return
    with running_bucket(tmp_path) as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        yield await new_place(bucket.folder, bucket)


async def pruned(place: Place, *, dry_run: bool = False) -> Pruned:
    return await prune(place.connection, place.blobs, grace_seconds=HOUR, dry_run=dry_run, tell=lambda text: None)


async def test_what_runs_need_stays_and_all_else_goes(place: Place) -> None:
    await place.ran(reader("a", 100_000, *[30_000] * 4), history_events=20)  # an item, and chunks
    await place.ran(reader("b", 10_000), tool_output_bytes=2_000)  # what is shown, and the whole
    given = store_item({"role": "user", "content": "c" * 100_000}, place.blobs)
    waiting = await place.start("Reader", [given])  # a run that nobody serves
    needed = place.digests
    assert len(needed) >= 6
    orphans = {place.blobs.put(f"nobody's {n}".encode()) for n in range(3)}
    place.age()
    done = await pruned(place)
    assert place.digests == needed
    assert (done.removed.blobs, done.needed, done.young) == (len(orphans), len(needed), 0)
    assert done.removed.bytes > 0
    await waiting.terminate()


async def test_what_only_a_sealed_chunk_names_stays(place: Place) -> None:
    run_id = await place.ran(reader("a", 100_000, *[30_000] * 4), history_events=20)
    newest = place.client.get_workflow_handle(run_id)
    kept = (await newest.describe()).run_id
    found = [each async for each in place.client.list_workflows(f'WorkflowId = "{run_id}"')]
    older = [each for each in found if each.run_id != kept]
    assert older
    await delete_executions(place.client, older, lambda text: None)
    text = b"a" * 100_000
    [item] = [digest for digest in place.digests if text in place.blobs.get(digest)]
    place.age()
    await pruned(place)
    assert item in place.digests


async def test_what_was_written_lately_stays(place: Place) -> None:
    old, young = place.blobs.put(b"old"), place.blobs.put(b"young")
    place.age()
    place.blobs.put(b"young")  # somebody needs it again
    done = await pruned(place)
    assert (place.digests, done.young) == ({young}, 1)
    assert old not in place.digests


async def test_a_dry_run_tells_what_would_go_and_removes_nothing(place: Place) -> None:
    place.blobs.put(b"nobody's")
    place.age()
    before = place.digests
    tried = await pruned(place, dry_run=True)
    assert place.digests == before
    assert (await pruned(place)).removed == tried.removed
    assert place.digests == set()


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        (b"binary/unheard-of", "'another' holds a payload with encoding 'binary/unheard-of'"),
        (b"binary/encrypted", "'another' holds a payload that cannot be opened: it is encrypted with key 'lost'"),
    ],
)
async def test_where_a_history_cannot_be_read_nothing_is_removed(place: Place, encoding: bytes, said: str) -> None:
    place.blobs.put(b"nobody's")
    place.age()
    secret = RawValue(Payload(metadata={"encoding": encoding, "key": b"lost"}, data=b"?"))
    handle = await place.client.start_workflow("Another", secret, id="another", task_queue="nobody")
    with pytest.raises(UserError, match=said):
        await pruned(place)
    assert len(place.digests) == 1
    await handle.terminate()


async def test_where_a_chunk_is_missing_nothing_is_removed_and_its_run_is_named(place: Place) -> None:
    run_id = await place.ran(reader("a", *[30_000] * 5), history_events=20)
    chunk = max(place.digests, key=lambda digest: len(place.blobs.get(digest)))
    place.file(chunk).unlink()
    place.touched()
    place.blobs.put(b"nobody's")
    place.age()
    before = place.digests
    with pytest.raises(BlobUnavailable, match=f"Run '{run_id}' needs the blob {chunk}, which is missing"):
        await pruned(place)
    assert place.digests == before


async def test_where_a_needed_blob_was_changed_nothing_is_removed_and_it_is_named(place: Place) -> None:
    await place.ran(reader("a", 100_000))
    [digest] = place.digests
    place.file(digest).write_bytes(b"forged")
    place.blobs.put(b"nobody's")
    place.age()
    with pytest.raises(BlobUnavailable, match=f"{digest} was changed"):
        await pruned(place)
    assert len(place.digests) == 2


async def test_a_store_that_another_namespace_uses_is_left_alone(place: Place) -> None:
    place.blobs.put(b"perhaps another's")
    place.age()
    place.blobs.join("another-id", "production at temporal:7233")
    with pytest.raises(UserError, match="shared with another namespace, production at temporal:7233") as raised:
        await pruned(place)
    assert len(place.digests) == 1
    assert place.blobs.note_of("another-id") in raised.value.message
    (place.folder / "namespaces" / "another-id").unlink()
    place.touched()
    await pruned(place)
    assert place.digests == set()


def test_a_digest_within_a_longer_text_is_a_need() -> None:
    digest = "0123456789abcdef" * 4
    for text in (digest, f'"\\b{digest}"', f"f{digest}", f"{digest}00", f'x"{digest}"y'):
        needs = Needs({digest})
        assert needs.note(text.encode()) == {digest}
        assert needs.note(text.encode()) == set()
    assert Needs({digest}).note(digest[1:].encode()) == set()


async def test_payloads_are_found_wherever_they_are_in_an_event(place: Place) -> None:
    handle = await place.client.start_workflow(
        "Another", args=["in the input"], id="payloads", task_queue="nobody", memo={"m": "in the memo"}
    )
    await handle.signal("told", "in a signal")
    await handle.terminate("in the details")
    events = [event async for event in handle.fetch_history_events()]
    found = {payload.data for event in events for payload in payloads_of(event)}
    assert {b'"in the input"', b'"in the memo"', b'"in a signal"', b'"in the details"'} <= found
