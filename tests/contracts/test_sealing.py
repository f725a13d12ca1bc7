"""Sealed items come back as they were, in chunks of a bounded size, whoever reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perdure.blob_directory import DirectoryBlobStore
from perdure.canonical import canonical, encode
from perdure.contracts.run import PageEntry, ResponseView, TranscriptPage
from perdure.contracts.sealing import seal, seal_but_tail, unsealed
from perdure.contracts.tokens import Tokens
from perdure.errors import UserError
from perdure.limits import MAX_CHUNK_BYTES
from perdure.transcript import chain


def entry(text: str, kind: Any = "answer", turn: int = 1) -> PageEntry:
    return PageEntry(item={"role": "user", "content": text}, kind=kind, agent="A", turn=turn)


def response(first: int, **more: Any) -> ResponseView:
    return ResponseView(turn=first + 1, agent="A", first=first, count=1, usage=Tokens(input=first), **more)


def page(chunks: list[Any]) -> TranscriptPage:
    return TranscriptPage(first=0, sealed=chunks, entries=[], responses=[], count=0, before="", digest="")


@pytest.fixture
def blobs(tmp_path: Path) -> DirectoryBlobStore:
    return DirectoryBlobStore(tmp_path)


def test_items_and_answers_come_back_in_order(blobs: DirectoryBlobStore) -> None:
    entries = [entry("in", "input", 0), *(entry("x" * 200_000, turn=n) for n in range(1, 8))]
    responses = [response(n) for n in range(1, 8)]
    chunks = seal(entries, responses, 0, "00", blobs)
    read = unsealed(page(chunks), blobs)
    assert read.entries == entries
    assert read.responses == responses
    assert [chunk.inputs for chunk in chunks] == [1, 0, 0, 0]
    assert sum(chunk.count for chunk in chunks) == len(entries)


def test_each_chunk_says_the_chain_s_digest_after_it(blobs: DirectoryBlobStore) -> None:
    entries = [entry(f"{n}" * 300_000) for n in range(4)]
    items = [encode(each.item) for each in entries]
    chunks = seal(entries, [], 0, "00", blobs)
    assert [chunk.digest for chunk in chunks] == [chain("00", items[: n + 1]) for n in range(4)]


def test_an_item_larger_than_a_chunk_is_a_chunk_of_its_own(blobs: DirectoryBlobStore) -> None:
    chunks = seal([entry("a"), entry("b" * (MAX_CHUNK_BYTES + 1)), entry("c")], [], 0, "00", blobs)
    assert [chunk.count for chunk in chunks] == [1, 1, 1]


def test_an_answer_that_brings_its_items_lies_in_the_first_chunk(blobs: DirectoryBlobStore) -> None:
    brought = response(90, items=[{"type": "message"}])
    chunks = seal([entry("x" * 400_000), entry("y" * 400_000)], [brought, response(1)], 0, "00", blobs)
    assert unsealed(page(chunks[:1]), blobs).responses == [brought]


def test_the_newest_items_stay_outside(blobs: DirectoryBlobStore) -> None:
    entries = [entry(f"{n}" * 1000) for n in range(10)]
    size = len(canonical(entries[0].item))
    chunks, tail = seal_but_tail(entries, [], "00", blobs, size * 3)
    assert tail == entries[7:]
    assert unsealed(page(chunks), blobs).entries == entries[:7]


def test_a_changed_chunk_is_named(blobs: DirectoryBlobStore, tmp_path: Path) -> None:
    [chunk] = seal([entry("refund 40")], [], 0, "00", blobs)
    file = tmp_path / chunk.sha256[:2] / chunk.sha256
    file.write_bytes(file.read_bytes().replace(b"refund 40", b"refund 99"))
    with pytest.raises(UserError, match="was changed"):
        unsealed(page([chunk]), blobs)
    file.unlink()
    with pytest.raises(UserError, match=chunk.sha256[:12]):
        unsealed(page([chunk]), blobs)
