"""Large items travel by reference: the bytes lie in a blob store, the run holds their digest.

A reference is itself an item, small and readable: the fields that the run loop needs (type, name, call id) and a
`perdure_blob` with digest, size and the beginning of the content.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload

from perdure.canonical import canonical, encode
from perdure.compression import compressed, expanded
from perdure.encryption import decrypted, encrypted, is_rejected, key_of, reason
from perdure.errors import BlobStoreDown, BlobUnavailable, UserError
from perdure.item_json import is_digest, is_reference
from perdure.keyring import keyring
from perdure.limits import MAX_INLINE_ITEM_BYTES

_KEPT = ("type", "id", "call_id", "name", "role", "status", "namespace")
_HEAD_CHARACTERS = 400
_UNFINISHED = "tmp"  # what the names of files begin with that are no blobs yet, or no more
_USERS = "namespaces"


class BlobStore(Protocol):
    """Where large items lie; content-addressed, so writing twice is writing once."""

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


class StoredBlob(NamedTuple):
    """A blob that is there: its size on the disk, and when it was last written, in seconds since the epoch."""

    digest: str
    size: int
    written: float


class DirectoryBlobStore:
    """Blobs as files of a directory that every client and worker of the namespace can reach."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def root(self) -> Path:
        """The directory."""
        return self._root

    def _path(self, digest: str) -> Path:
        return self._root / digest[:2] / digest

    def put(self, data: bytes) -> str:
        """Keeps the bytes: written beside, then renamed, so that a reader never sees half a blob."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        try:
            if not self._renewed(path):
                self._write(path, data)
        except OSError as error:
            raise BlobStoreDown.of(self._root, error, writing=True) from error
        return digest

    def _renewed(self, path: Path) -> bool:
        """Whether a blob is there as it would be written now; if so, who removes old blobs leaves it (see `remove`)."""
        try:
            os.utime(path)
        except OSError:  # it is not there, or is another user's
            return False
        return self._has_the_first_key(path)

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=_UNFINISHED)
        ring, kept = keyring(), compressed(Payload(data=data))
        with os.fdopen(descriptor, "wb") as file:
            file.write((kept if ring is None else encrypted(kept, ring, _label(path.name))).SerializeToString())
        Path(temporary).replace(path)

    def _has_the_first_key(self, path: Path) -> bool:
        """Whether a blob is encrypted as it would be now; without keys, whatever there is will do."""
        ring = keyring()
        return ring is None or key_of(_payload(path.read_bytes())) == ring.first.id

    def encrypt_anew(self, digest: str) -> bool:
        """Encrypts a blob with the first key, if it is not; tells whether it did.

        Raises:
            BlobUnavailable: It cannot be read.
        """
        path = self._path(digest)
        if not path.exists() or self._has_the_first_key(path):
            return False
        written = path.stat()
        self._write(path, self.get(digest))
        os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))  # it is not needed anew
        return True

    def get(self, digest: str) -> bytes:
        """The bytes, verified against their digest."""
        path = self._path(digest)
        try:
            kept = path.read_bytes()
        except FileNotFoundError as error:
            if not self._root.exists():
                raise BlobStoreDown.of(self._root, error, writing=False) from error
            raise BlobUnavailable(
                f"The blob {digest} is not in {self._root}: every client and worker of a run must share one blob "
                "directory (PERDURE_BLOBS), and blobs must be kept as long as the runs. Set it, or restore the file "
                f"{path.relative_to(self._root)} there."
            ) from None
        except OSError as error:
            raise BlobStoreDown.of(self._root, error, writing=False) from error
        plain = decrypted(_payload(kept), keyring(), (_label(digest),))
        if is_rejected(plain):
            raise BlobUnavailable(f"The blob {path} {reason(plain)}.")
        data = expanded(plain, limit=0).data
        if hashlib.sha256(data).hexdigest() != digest:
            raise BlobUnavailable(
                f"The blob {path} was changed: its content no longer has its digest. Restore it from a copy, or delete "
                "it and start the run anew."
            )
        return data

    def stored(self) -> Iterator[StoredBlob]:
        """All blobs that are there now."""
        for path in self._root.glob("??/*"):
            if is_digest(path.name):
                with contextlib.suppress(FileNotFoundError):  # another process has removed it meanwhile
                    found = path.stat()
                    yield StoredBlob(path.name, found.st_size, found.st_mtime)

    def remove(self, digest: str, before: float) -> bool:
        """Removes a blob that was last written before a time, in seconds since the epoch; tells whether it did.

        It is set aside first and looked at there: who writes it meanwhile finds it gone, and writes it anew.
        """
        path, aside = self._path(digest), self._path(digest).with_name(f"{_UNFINISHED}{digest}")
        try:
            path.rename(aside)
        except FileNotFoundError:
            return False
        if aside.stat().st_mtime >= before:
            aside.rename(path)
            return False
        aside.unlink()
        return True

    def sweep(self, before: float) -> None:
        """Removes what writers that were killed have left unfinished before a time."""
        for path in self._root.glob(f"??/{_UNFINISHED}*"):
            with contextlib.suppress(FileNotFoundError):  # another process sweeps, too
                if path.stat().st_mtime < before:
                    path.unlink()

    def has(self, digest: str) -> bool:
        """Whether there is a blob with this digest."""
        return self._path(digest).exists()

    def note_of(self, user: str) -> Path:
        """Where it is noted that a namespace, by its id, keeps blobs here."""
        return self._root / _USERS / user

    def join(self, user: str, name: str) -> None:
        """Notes that a namespace, by its id and its name for people, keeps blobs here."""
        note = self.note_of(user)
        if not note.exists():
            with contextlib.suppress(OSError):  # who cannot write here keeps nothing here
                note.parent.mkdir(parents=True, exist_ok=True)
                note.write_text(name, encoding="utf-8")

    def users(self) -> dict[str, str]:
        """The namespaces that keep blobs here: their names by their ids."""
        return {note.name: note.read_text(encoding="utf-8") for note in self._root.glob(f"{_USERS}/*")}


def _payload(kept: bytes) -> Payload:
    """What a blob's file holds; nothing, if it was changed so that it cannot be read."""
    try:
        return Payload.FromString(kept)
    except DecodeError:
        return Payload()


def _label(digest: str) -> bytes:
    return f"blob\0{digest}".encode()


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
