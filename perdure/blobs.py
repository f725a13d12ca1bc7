"""Large items travel by reference: the bytes lie in a blob store, the run holds their digest.

A reference is itself an item, small and readable: the fields that the run loop needs (type, name, call id) and a
`perdure_blob` with digest, size and the beginning of the content.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Protocol

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload

from perdure.canonical import canonical, encode
from perdure.compression import compressed, expanded
from perdure.errors import UserError
from perdure.items import is_reference
from perdure.limits import MAX_INLINE_ITEM_BYTES

_KEPT = ("type", "id", "call_id", "name", "role", "status", "namespace")
_HEAD_CHARACTERS = 400


class BlobStore(Protocol):
    """Where large items lie; content-addressed, so writing twice is writing once."""

    def put(self, data: bytes) -> str:
        """Keeps the bytes and returns their SHA-256 in hex."""
        ...

    def get(self, digest: str) -> bytes:
        """The bytes with this SHA-256.

        Raises:
            UserError: There are none, or they were changed.
        """
        ...


class DirectoryBlobStore:
    """Blobs as files of a directory that every client and worker of the namespace can reach."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _path(self, digest: str) -> Path:
        return self._root / digest[:2] / digest

    def put(self, data: bytes) -> str:
        """Keeps the bytes: written beside, then renamed, so that a reader never sees half a blob."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(descriptor, "wb") as file:
                file.write(compressed(Payload(data=data)).SerializeToString())
            Path(temporary).replace(path)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes, verified against their digest."""
        path = self._path(digest)
        try:
            kept = path.read_bytes()
        except FileNotFoundError:
            raise UserError(
                f"The blob {digest[:12]}… is not in {self._root}: every client and worker of a run must share one "
                "blob directory (PERDURE_BLOBS), and blobs must be kept as long as the runs."
            ) from None
        data = _plain(kept)
        if data is None or hashlib.sha256(data).hexdigest() != digest:
            raise UserError(f"The blob {path} was changed: its content no longer has its digest. Restore it.")
        return data


def _plain(kept: bytes) -> bytes | None:
    """The bytes of a blob's file; `None` if it was changed."""
    try:
        return expanded(Payload.FromString(kept), limit=0).data
    except DecodeError:
        return None


def store_item(item: dict[str, Any], blobs: BlobStore | None) -> dict[str, Any]:
    """The item as a run keeps it: itself, or a reference if its canonical form is over 64 KiB.

    Without a blob store a long tool output is cut, and says so; anything else that is too long is refused.
    """
    data = canonical(item)
    if len(data) <= MAX_INLINE_ITEM_BYTES:
        return json.loads(data)
    if blobs is None:
        return _cut(item, len(data))
    return _reference(item, data, blobs)


def store_items(items: list[dict[str, Any]], blobs: BlobStore | None, budget: int) -> list[dict[str, Any]]:
    """The items as a run keeps them, together at most `budget` bytes: the largest ones go to the blob store first.

    Raises:
        UserError: They are too large and there is no blob store, or so many that references do not help.
    """
    stored = [store_item(item, blobs) for item in items]
    sizes = [len(encode(item)) for item in stored]
    total = sum(sizes)
    for position in sorted(range(len(items)), key=lambda place: -sizes[place]):
        if total <= budget or blobs is None:
            break
        if not is_reference(stored[position]):
            reference = _reference(items[position], canonical(items[position]), blobs)
            saved = sizes[position] - len(encode(reference))
            if saved > 0:
                stored[position] = reference
                total -= saved
    if total > budget:
        advice = (
            "there is no blob store to keep them in; set PERDURE_BLOBS to a directory that clients and workers share."
            if blobs is None
            else "even their references are too long; send fewer or larger items."
        )
        raise UserError(f"{len(items)} items take {total} bytes, more than {budget}, and {advice}")
    return stored


def load_item(item: bytes, blobs: BlobStore | None) -> bytes:
    """The canonical bytes that a stored item stands for.

    Raises:
        UserError: It is a reference and there is no blob store, or the blob is missing or changed.
    """
    if b'"perdure_blob"' not in item:
        return item
    parsed = json.loads(item)
    if not is_reference(parsed):
        return item
    return load_blob(parsed["perdure_blob"]["sha256"], blobs)


def load_blob(digest: str, blobs: BlobStore | None) -> bytes:
    """The bytes with this digest; see `load_item`."""
    if blobs is None:
        raise UserError("An item of this run lies in a blob store; set PERDURE_BLOBS to its directory.")
    return blobs.get(digest)


def _reference(item: dict[str, Any], data: bytes, blobs: BlobStore) -> dict[str, Any]:
    content = json.dumps(item.get("output") or item.get("arguments") or item.get("content") or "", ensure_ascii=False)
    blob = {"sha256": blobs.put(data), "size": len(data), "head": content[:_HEAD_CHARACTERS]}
    return json.loads(canonical({name: item[name] for name in _KEPT if name in item} | {"perdure_blob": blob}))


def _cut(item: dict[str, Any], size: int) -> dict[str, Any]:
    output = item.get("output")
    if item.get("type") != "function_call_output" or not isinstance(output, str):
        raise UserError(
            f"An item of {size} bytes (type {item.get('type')!r}) is larger than {MAX_INLINE_ITEM_BYTES} bytes and "
            "there is no blob store to keep it in; set PERDURE_BLOBS to a directory that clients and workers share."
        )
    note = f"\n[cut: the first part of {size} bytes; set PERDURE_BLOBS to keep long outputs whole]"
    # A character takes at most 6 bytes in JSON (as ), so this always fits.
    kept = output.encode("utf-8", "replace")[: MAX_INLINE_ITEM_BYTES // 8].decode("utf-8", "ignore")
    return json.loads(canonical({**item, "output": kept + note}))
