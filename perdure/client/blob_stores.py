"""Which blob store goes with a connection: `PERDURE_BLOBS`, the embedded server's, or none."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from perdure.blob_directory import DirectoryBlobStore
from perdure.blob_objects import ObjectBlobStore
from perdure.connection import Connection
from perdure.errors import UserError
from perdure.kept_blobs import KeptBlobs

BLOBS = "PERDURE_BLOBS"
_SCHEMES = ("s3", "gs", "az")


def blob_store(connection: Connection) -> KeptBlobs | None:
    """The blob store that goes with a connection; that its namespace uses it is noted there.

    Raises:
        UserError: `PERDURE_BLOBS` is neither a directory nor a bucket.
    """
    configured = os.environ.get(BLOBS)
    if not configured and not connection.embedded:
        return None
    user, name = connection.namespace_id, f"{connection.namespace} at {connection.address}"
    if configured and "://" in configured:
        return _joined(configured, user, name)
    store = store_at(configured or str(connection.home / "blobs"))
    store.join(user, name)
    return store


def store_at(configured: str) -> KeptBlobs:
    """The store that `PERDURE_BLOBS` names: an address is a bucket's, anything else a directory.

    Raises:
        UserError: It is the address of something else.
    """
    scheme, found, _ = configured.partition("://")
    if not found:
        return DirectoryBlobStore(Path(configured))
    if scheme not in _SCHEMES:
        known = ", ".join(f"{each}://…" for each in _SCHEMES)
        raise UserError(f"{BLOBS}={configured!r} is no address of a bucket ({known}), nor a directory.")
    return ObjectBlobStore(configured)


@functools.lru_cache(maxsize=8)  # it keeps connections open, and each look at the note is a request
def _joined(configured: str, user: str, name: str) -> KeptBlobs:
    store = store_at(configured)
    store.join(user, name)
    return store
