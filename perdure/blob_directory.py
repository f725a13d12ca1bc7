"""Blobs as files of a directory."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from perdure.item_json import is_digest
from perdure.kept_blobs import KeptBlobs, StoredBlob, has_the_first_key

_UNFINISHED = "tmp"  # what the names of files begin with that are no blobs yet, or no more
_USERS = "namespaces"


class DirectoryBlobStore(KeptBlobs):
    """Blobs as files of a directory that every client and worker of the namespace can reach."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.root = root

    def _path(self, digest: str) -> Path:
        return self.root / self._name(digest)

    def _renewed(self, digest: str) -> bool:
        path = self._path(digest)
        try:
            os.utime(path)
        except OSError:  # it is not there, or is another user's
            return False
        return has_the_first_key(path.read_bytes())

    def _read(self, digest: str) -> bytes | None:
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError:
            self.root.stat()  # raises where nothing is there, as of a share that is not mounted
            return None

    def _write(self, digest: str, kept: bytes) -> None:
        """Written beside, then renamed, so that a reader never sees half a blob."""
        path = self._path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=_UNFINISHED)
        with os.fdopen(descriptor, "wb") as file:
            file.write(kept)
        Path(temporary).replace(path)

    def _write_anew(self, digest: str, kept: bytes) -> None:
        written = self._path(digest).stat()
        self._write(digest, kept)
        os.utime(self._path(digest), ns=(written.st_atime_ns, written.st_mtime_ns))

    def stored(self) -> Iterator[StoredBlob]:
        """All blobs that are there now."""
        for path in self.root.glob("??/*"):
            if is_digest(path.name):
                with contextlib.suppress(FileNotFoundError):  # another process has removed it meanwhile
                    found = path.stat()
                    yield StoredBlob(path.name, found.st_size, found.st_mtime)

    def remove(self, digest: str, before: float) -> bool:
        """Removes a blob that was last written before a time; tells whether it did.

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
        for path in self.root.glob(f"??/{_UNFINISHED}*"):
            with contextlib.suppress(FileNotFoundError):  # another process sweeps, too
                if path.stat().st_mtime < before:
                    path.unlink()

    def has(self, digest: str) -> bool:
        """Whether there is a blob with this digest."""
        return self._path(digest).exists()

    def note_of(self, user: str) -> str:
        """Where it is noted that a namespace, by its id, keeps blobs here."""
        return str(self.root / _USERS / user)

    def join(self, user: str, name: str) -> None:
        """Notes that a namespace, by its id and its name for people, keeps blobs here."""
        note = Path(self.note_of(user))
        if not note.exists():
            with contextlib.suppress(OSError):  # who cannot write here keeps nothing here
                note.parent.mkdir(parents=True, exist_ok=True)
                note.write_text(name, encoding="utf-8")

    def users(self) -> dict[str, str]:
        """The namespaces that keep blobs here: their names by their ids."""
        return {note.name: note.read_text(encoding="utf-8") for note in self.root.glob(f"{_USERS}/*")}
