"""Blobs as a store keeps them: compressed, encrypted where there are keys, verified when they are read."""

from __future__ import annotations

import contextlib
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from typing import NamedTuple

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload

from perdure.compression import compressed, expanded
from perdure.encryption import decrypted, encrypted, is_rejected, key_of, reason
from perdure.errors import BlobStoreDown, BlobUnavailable
from perdure.keyring import keyring


class StoredBlob(NamedTuple):
    """A blob that is there: its size as it is kept, and when it was last written, in seconds since the epoch."""

    digest: str
    size: int
    written: float


class KeptBlobs(ABC):
    """A blob store, but where and how it keeps the bytes of a name.

    Args:
        place: Where, for people.
    """

    is_remote = False

    def __init__(self, place: str) -> None:
        self.place = place

    def put(self, data: bytes) -> str:
        """Keeps the bytes."""
        digest = hashlib.sha256(data).hexdigest()
        with self._at_work(writing=True):
            if not self._renewed(digest):
                self._write(digest, _kept(digest, data))
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes, verified against their digest."""
        with self._at_work():
            kept = self._read(digest)
        if kept is None:
            raise BlobUnavailable(
                f"The blob {digest} is not in {self.place}: every client and worker of a run must share one blob store "
                f"(PERDURE_BLOBS), and blobs must be kept as long as the runs. Set it, or restore the file "
                f"{self._name(digest)} there."
            )
        return self._opened(digest, kept)

    def _opened(self, digest: str, kept: bytes) -> bytes:
        """What a blob holds, by what is kept of it.

        Raises:
            BlobUnavailable: It cannot be decrypted, or was changed.
        """
        plain = decrypted(_payload(kept), keyring(), (_label(digest),))
        if is_rejected(plain):
            raise BlobUnavailable(f"The blob {self._where(digest)} {reason(plain)}.")
        data = expanded(plain, limit=0).data
        if hashlib.sha256(data).hexdigest() != digest:
            raise BlobUnavailable(
                f"The blob {self._where(digest)} was changed: its content no longer has its digest. "
                "Restore it from a copy, or delete it and start the run anew."
            )
        return data

    def encrypt_anew(self, digest: str) -> bool:
        """Encrypts a blob with the first key, if it is not; tells whether it did.

        Raises:
            BlobUnavailable: It cannot be read.
        """
        with self._at_work():
            kept = self._read(digest)
        if kept is None or has_the_first_key(kept):
            return False
        anew = _kept(digest, self._opened(digest, kept))
        with self._at_work(writing=True):
            self._write_anew(digest, anew)
        return True

    @contextlib.contextmanager
    def _at_work(self, *, writing: bool = False) -> Generator[None]:
        """Lets an error of the disk's or network's be one of the store's."""
        try:
            yield
        except OSError as error:
            raise BlobStoreDown.of(self.place, error, writing=writing) from error

    def _where(self, digest: str) -> str:
        return f"{self.place.rstrip('/')}/{self._name(digest)}"

    @staticmethod
    def _name(digest: str) -> str:
        """Where a blob lies in the store."""
        return f"{digest[:2]}/{digest}"

    @abstractmethod
    def _renewed(self, digest: str) -> bool:
        """Whether a blob is there as it would be written now; if so, who removes old blobs leaves it from now on."""

    @abstractmethod
    def _read(self, digest: str) -> bytes | None:
        """What is kept of a blob; `None` if there is none.

        Raises:
            OSError: That cannot be known now.
        """

    @abstractmethod
    def _write(self, digest: str, kept: bytes) -> None:
        """Keeps it whole, or not at all.

        Raises:
            OSError: It cannot be kept now.
        """

    def _write_anew(self, digest: str, kept: bytes) -> None:
        """As `_write`, of a blob that is there and no more needed than before."""
        self._write(digest, kept)

    @abstractmethod
    def stored(self) -> Iterator[StoredBlob]:
        """All blobs that are there now."""

    @abstractmethod
    def remove(self, digest: str, before: float) -> bool:
        """Removes a blob that was last written before a time, in seconds since the epoch; tells whether it did."""

    @abstractmethod
    def sweep(self, before: float) -> None:
        """Removes what writers that were killed have left unfinished before a time."""

    @abstractmethod
    def has(self, digest: str) -> bool:
        """Whether there is a blob with this digest."""

    @abstractmethod
    def join(self, user: str, name: str) -> None:
        """Notes that a namespace, by its id and its name for people, keeps blobs here."""

    @abstractmethod
    def users(self) -> dict[str, str]:
        """The namespaces that keep blobs here: their names by their ids."""

    @abstractmethod
    def note_of(self, user: str) -> str:
        """Where it is noted that a namespace, by its id, keeps blobs here."""


def has_the_first_key(kept: bytes) -> bool:
    """Whether a blob is encrypted as it would be now; without keys, whatever there is will do."""
    ring = keyring()
    return ring is None or key_of(_payload(kept)) == ring.first.id


def _kept(digest: str, data: bytes) -> bytes:
    ring, payload = keyring(), compressed(Payload(data=data))
    return (payload if ring is None else encrypted(payload, ring, _label(digest))).SerializeToString()


def _payload(kept: bytes) -> Payload:
    """What is kept of a blob; nothing, if it was changed so that it cannot be read."""
    try:
        return Payload.FromString(kept)
    except DecodeError:
        return Payload()


def _label(digest: str) -> bytes:
    return f"blob\0{digest}".encode()
