"""Blobs as objects of a bucket: in Amazon S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from perdure.errors import UserError
from perdure.item_json import is_digest
from perdure.kept_blobs import KeptBlobs, StoredBlob

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_USERS = "namespaces"
# An attempt at a step has ten seconds beyond its tool's time, in which what came of it must be kept.
_RETRY = {"max_retries": 5, "retry_timeout": timedelta(seconds=8)}
# An address of a service without TLS is somebody's own: the clouds' have it.
_CLIENT = {"connect_timeout": timedelta(seconds=3), "timeout": timedelta(seconds=30), "allow_http": True}
_TEXT_CHARACTERS = 300


class ObjectBlobStore(KeptBlobs):
    """Blobs as objects. Where a service is and who may use it, its own environment variables say.

    A blob that is needed anew is written anew, as no object can be given another time.

    Args:
        url: Such as `s3://bucket/folder`.

    Raises:
        UserError: The address is none, or what reaches it is not installed.
    """

    is_remote = True

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._store = _bucket(url)

    def _renewed(self, digest: str) -> bool:
        return False

    def _read(self, digest: str) -> bytes | None:
        return self._get(self._name(digest))

    def _write(self, digest: str, kept: bytes) -> None:
        self._put(self._name(digest), kept)

    def stored(self) -> Iterator[StoredBlob]:
        """All blobs that are there now."""
        with self._at_work():
            for found in self._listed():
                name = str(found["path"]).rpartition("/")[2]
                if is_digest(name):
                    yield StoredBlob(name, int(found["size"]), found["last_modified"].timestamp())

    def remove(self, digest: str, before: float) -> bool:
        """Removes a blob that was last written before a time; tells whether it did.

        Who writes it between the look at it and its removal loses it: a few milliseconds, of what no run has needed.
        """
        with self._at_work():
            found = self._head(self._name(digest))
            if found is None or found["last_modified"].timestamp() >= before:
                return False
            with _reaching():
                self._store.delete(self._name(digest))
            return True

    def sweep(self, before: float) -> None:
        """Does nothing: an object is there as a whole or not at all."""

    def has(self, digest: str) -> bool:
        """Whether there is a blob with this digest."""
        with self._at_work():
            return self._head(self._name(digest)) is not None

    def note_of(self, user: str) -> str:
        """Where it is noted that a namespace, by its id, keeps blobs here."""
        return f"{self.place.rstrip('/')}/{_USERS}/{user}"

    def join(self, user: str, name: str) -> None:
        """Notes that a namespace, by its id and its name for people, keeps blobs here."""
        with contextlib.suppress(OSError):  # who cannot write here keeps nothing here
            if self._head(f"{_USERS}/{user}") is None:
                self._put(f"{_USERS}/{user}", name.encode())

    def users(self) -> dict[str, str]:
        """The namespaces that keep blobs here: their names by their ids."""
        with self._at_work():
            paths = [str(found["path"]) for found in self._listed(_USERS)]
            return {path.rpartition("/")[2]: (self._get(path) or b"").decode() for path in paths}

    def _put(self, name: str, kept: bytes) -> None:
        with _reaching():
            self._store.put(name, kept)

    def _get(self, name: str) -> bytes | None:
        with _reaching(), contextlib.suppress(FileNotFoundError):
            return bytes(self._store.get(name).bytes())
        return None

    def _head(self, name: str) -> Any:
        with _reaching(), contextlib.suppress(FileNotFoundError):
            return self._store.head(name)
        return None

    def _listed(self, folder: str | None = None) -> Iterator[Any]:
        with _reaching():
            for page in cast("Any", self._store).list(folder):
                yield from page


def _bucket(url: str) -> ObjectStore:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        text = f"PERDURE_BLOBS={url!r} is a bucket, which needs more packages: pip install 'perdure[buckets]'."
        raise UserError(text) from None
    try:
        return from_url(url, client_options=cast("Any", _CLIENT), retry_config=cast("Any", _RETRY))
    except (BaseError, ValueError) as error:
        raise UserError(f"PERDURE_BLOBS={url!r} is no bucket that can be used: {_words(error)}") from None


@contextlib.contextmanager
def _reaching() -> Generator[None]:
    """Lets what a service answers, or that it does not, be an error of the operating system's."""
    from obstore.exceptions import BaseError

    try:
        yield
    except BaseError as error:
        raise OSError(_words(error)) from error


def _words(error: Exception) -> str:
    """What an error says, without the documents that services answer with."""
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", str(error).partition("Debug source:")[0])).strip()
    return text if len(text) <= _TEXT_CHARACTERS else f"{text[:_TEXT_CHARACTERS]}…"
