"""Sealed items: those of a long transcript that lie in the blob store, by chunks.

A chunk is the JSON of its items and of the answers that begin among them. The run keeps a chunk's digests only; whoever
reads the transcript is given these and fetches the chunks itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from perdure.blobs import BlobStore, load_blob
from perdure.canonical import encode
from perdure.contracts.run import ChunkView, PageEntry, ResponseView, TranscriptPage
from perdure.definition import Frozen
from perdure.limits import MAX_CHUNK_BYTES
from perdure.transcript import chain

SEAL_TRANSCRIPT = "seal_transcript"


class SealInput(Frozen):
    """Which items of a transcript to write to the blob store; `before` is the chain's digest before them."""

    path: str = ""
    epoch: int = 0
    start: int
    upto: int
    before: str


class SealOutput(Frozen):
    """Where they lie; nowhere without a blob store."""

    chunks: list[ChunkView] = []


class SealedItems(Frozen):
    """What a chunk holds."""

    entries: list[PageEntry] = []
    responses: list[ResponseView] = []


def seal(
    entries: Sequence[PageEntry], responses: Sequence[ResponseView], start: int, digest: str, blobs: BlobStore
) -> list[ChunkView]:
    """Writes items to the blob store, in chunks of about 512 KiB.

    Args:
        entries: The items.
        responses: The answers that belong to them: those that begin among them, and those that bring items themselves.
        start: The place of the first item in its transcript.
        digest: The transcript's chain before it.
        blobs: Where they are written.
    """
    chunks: list[ChunkView] = []
    bringing = [each for each in responses if each.items is not None]
    beginning = [each for each in responses if each.items is None]
    for group in _groups(entries):
        end = start + len(group)
        digest = chain(digest, [encode(entry.item) for entry in group])
        own, bringing = [*bringing, *(each for each in beginning if start <= each.first < end)], []
        content = SealedItems(entries=group, responses=own).model_dump_json(exclude_unset=True).encode()
        inputs = sum(entry.kind == "input" for entry in group)
        chunks.append(ChunkView(sha256=blobs.put(content), count=len(group), digest=digest, inputs=inputs))
        start = end
    return chunks


def seal_but_tail(
    entries: Sequence[PageEntry], responses: Sequence[ResponseView], origin: str, blobs: BlobStore, kept_bytes: int
) -> tuple[list[ChunkView], list[PageEntry]]:
    """Seals a whole transcript but for its newest items, so many bytes; gives the chunks and these items.

    Args:
        entries: The items.
        responses: The answers that belong to them.
        origin: The transcript's chain before its first item.
        blobs: Where the chunks are written.
        kept_bytes: How much stays.
    """
    first, kept = len(entries), 0
    while first > 0 and kept + len(encode(entries[first - 1].item)) <= kept_bytes:
        first -= 1
        kept += len(encode(entries[first].item))
    return seal(entries[:first], responses, 0, origin, blobs), list(entries[first:])


def _groups(entries: Sequence[PageEntry]) -> list[list[PageEntry]]:
    groups: list[list[PageEntry]] = []
    room = 0
    for entry in entries:
        size = len(encode(entry.item))
        if size > room or not groups:
            groups.append([])
            room = MAX_CHUNK_BYTES
        groups[-1].append(entry)
        room -= size
    return groups


def unsealed(page: TranscriptPage, blobs: BlobStore | None) -> TranscriptPage:
    """The page with the items of its chunks.

    Raises:
        BlobUnavailable: A chunk is missing or was changed, or there is no blob store.
    """
    if not page.sealed:
        return page
    held = [SealedItems.model_validate_json(load_blob(chunk.sha256, blobs)) for chunk in page.sealed]
    return page.model_copy(
        update={
            "sealed": [],
            "entries": [entry for each in held for entry in each.entries],
            "responses": [response for each in held for response in each.responses],
        }
    )
