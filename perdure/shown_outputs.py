"""Tools' outputs that are longer than a model may see: it is shown the beginning, the whole lies in the blob store.

The stored form is a reference to what is shown, as that of any large item, which names the whole beside it.
"""

from __future__ import annotations

import json
from typing import Any, cast

from perdure.blobs import BlobStore, load_blob, make_reference, store_item
from perdure.canonical import canonical
from perdure.item_json import is_digest, is_reference
from perdure.limits import MAX_ITEM_BYTES

_NOTE_BYTES = 200  # room for the note in what is shown
_TEXT_PARTS = ("input_text", "output_text")


def store_output(item: dict[str, Any], blobs: BlobStore | None, shown_bytes: int = MAX_ITEM_BYTES) -> dict[str, Any]:
    """The item that answers a call, as a run keeps it.

    Args:
        item: It, with the whole output.
        blobs: Where large items lie; without a store only what is shown is kept.
        shown_bytes: How much of the output's text the model may see.
    """
    size = _text_size(item.get("output"))
    if size <= shown_bytes:
        return store_item(item, blobs)
    rest = "the rest is kept with the run" if blobs is not None else "the rest is lost: set PERDURE_BLOBS to keep it"
    shown = {**item, "output": _shortened(item["output"], shown_bytes - _NOTE_BYTES, f"of {size} bytes; {rest}]")}
    if blobs is None:
        return store_item(shown, None)
    data, whole = canonical(shown), canonical(item)
    return make_reference(shown, data, blobs, whole={"sha256": blobs.put(whole), "size": len(whole)})


def load_whole(stored: dict[str, Any], blobs: BlobStore | None) -> dict[str, Any] | None:
    """The item with the whole output; `None` where the model is shown all of it.

    Raises:
        BlobUnavailable: The blob is missing or was changed.
    """
    whole = _whole_of(stored)
    return None if whole is None else json.loads(load_blob(whole["sha256"], blobs))


def _whole_of(stored: dict[str, Any]) -> dict[str, Any] | None:
    if "perdure_blob" not in stored or not is_reference(stored):
        return None
    whole = stored["perdure_blob"].get("whole")
    said = cast("dict[str, Any]", whole) if isinstance(whole, dict) else {}
    return said if is_digest(str(said.get("sha256"))) else None


def _text_size(output: Any) -> int:
    return sum(len(text.encode()) for text in _texts(output))


def _texts(output: Any) -> list[str]:
    """The texts of an output, which is one or a list of contents."""
    if isinstance(output, str):
        return [output]
    parts = cast("list[Any]", output) if isinstance(output, list) else []
    return [part["text"] for part in parts if _is_text(part)]


def _is_text(part: Any) -> bool:
    fields = cast("dict[str, Any]", part) if isinstance(part, dict) else {}
    return fields.get("type") in _TEXT_PARTS and isinstance(fields.get("text"), str)


def _shortened(output: Any, room: int, note: str) -> Any:
    """The first `room` bytes of an output's text, and a note; images and files stay as they are."""
    if isinstance(output, str):
        kept = output.encode()[:room].decode("utf-8", "ignore")
        return f"{kept}\n[cut: the first {len(kept.encode())} {note}"
    parts: list[Any] = []
    left = room
    for part in output:
        if not _is_text(part):
            parts.append(part)
        elif left > 0:
            size = len(part["text"].encode())
            parts.append(part if size <= left else {**part, "text": _shortened(part["text"], left, note)})
            left -= size
    return parts
