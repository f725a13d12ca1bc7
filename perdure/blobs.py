"""Large items travel by reference: the bytes lie in a blob store, the run holds their digest.

A reference is itself an item, small and readable: the fields that the run loop needs (type, name, call id) and a
`perdure_blob` with digest, size and the beginning of the content.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

from perdure.canonical import canonical, encode
from perdure.errors import BlobUnavailable, UserError
from perdure.item_json import is_reference
from perdure.limits import MAX_INLINE_ITEM_BYTES

_KEPT = ("type", "id", "call_id", "name", "role", "status", "namespace")
_HEAD_CHARACTERS = 400

_P = ParamSpec("_P")
_T = TypeVar("_T")


class BlobStore(Protocol):
    """Where large items lie; content-addressed, so writing twice is writing once."""

    @property
    def is_remote(self) -> bool:
        """Whether it is on another machine, so that a loop should not wait for it (see `unblocked`)."""
        ...

    def put(self, data: bytes) -> str:
        """Keeps the bytes and returns their SHA-256 in hex.

        Raises:
            BlobStoreDown: They cannot be kept now.
        """
        ...

    def get(self, digest: str) -> bytes:
        """The bytes with this SHA-256.

        Raises:
            BlobUnavailable: There are none, or they were changed; as `BlobStoreDown`, if nothing can be read now.
        """
        ...


async def unblocked(blobs: BlobStore | None, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Does what may read or write blobs: in a thread where the store is on another machine, else at once."""
    if blobs is not None and blobs.is_remote:
        return await asyncio.to_thread(work, *args, **kwargs)
    return work(*args, **kwargs)


def store_item(item: dict[str, Any], blobs: BlobStore | None) -> dict[str, Any]:
    """The item as a run keeps it: itself, or a reference if its canonical form is over 64 KiB.

    Without a blob store a long tool output is cut, and says so; anything else that is too long is refused.
    """
    data = canonical(item)
    if len(data) <= MAX_INLINE_ITEM_BYTES:
        return json.loads(data)
    if blobs is None:
        return _cut(item, len(data))
    return make_reference(item, data, blobs)


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
            reference = make_reference(items[position], canonical(items[position]), blobs)
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
        BlobUnavailable: It is a reference and there is no blob store, or the blob is missing or changed.
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
        raise BlobUnavailable(f"The blob {digest} lies in a blob store; set PERDURE_BLOBS to its directory.")
    return blobs.get(digest)


def make_reference(item: dict[str, Any], data: bytes, blobs: BlobStore, **more: Any) -> dict[str, Any]:
    """A small item that stands for a large one, whose canonical form it puts into the store.

    Args:
        item: The large one.
        data: Its canonical form.
        blobs: The store.
        more: What else the reference says.
    """
    content = json.dumps(item.get("output") or item.get("arguments") or item.get("content") or "", ensure_ascii=False)
    blob = {"sha256": blobs.put(data), "size": len(data), "head": content[:_HEAD_CHARACTERS], **more}
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
