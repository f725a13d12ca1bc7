"""Blobs in a bucket: what holds for those in a directory holds for them, and no loop waits for them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure import kept_blobs
from perdure.blob_directory import DirectoryBlobStore
from perdure.blob_objects import ObjectBlobStore
from perdure.blobs import BlobStore, unblocked
from perdure.client.blob_stores import store_at
from perdure.errors import BlobStoreDown, BlobUnavailable, UserError
from perdure.keyring import Keyring, new_key
from tests.buckets import Bucket, running_bucket

SECRET = b"what nobody else is to read"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with running_bucket(tmp_path_factory.mktemp("buckets")) as bucket:
        yield bucket


@pytest.fixture
def bucket(served: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    return served


@pytest.fixture
def store(bucket: Bucket) -> ObjectBlobStore:
    return ObjectBlobStore(bucket.url)


def test_what_was_put_is_got_and_lies_in_the_bucket(store: ObjectBlobStore, bucket: Bucket) -> None:
    data = os.urandom(600_000)
    digest = store.put(data)
    assert store.put(data) == digest
    assert store.get(digest) == data
    assert store.has(digest)
    assert bucket.objects()[digest].is_file()


def test_a_missing_blob_is_named_with_its_place(store: ObjectBlobStore) -> None:
    with pytest.raises(BlobUnavailable, match=r"is not in s3://bucket/blobs: .*PERDURE_BLOBS") as raised:
        store.get("0" * 64)
    assert not isinstance(raised.value, BlobStoreDown)
    assert not store.has("0" * 64)


def test_a_changed_blob_is_an_error(store: ObjectBlobStore, bucket: Bucket) -> None:
    digest = store.put(b"as it was")
    file = bucket.objects()[digest]
    file.write_bytes(file.read_bytes().replace(b"was", b"has"))
    with pytest.raises(BlobUnavailable, match="was changed"):
        store.get(digest)


def test_with_keys_no_object_shows_what_it_holds(
    store: ObjectBlobStore, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = store.put(SECRET)
    assert SECRET in bucket.objects()[digest].read_bytes()
    key = new_key("first")
    with monkeypatch.context() as having_a_key:
        having_a_key.setattr(kept_blobs, "keyring", lambda: Keyring((key,), accepts_plain=True))
        assert store.encrypt_anew(digest)
        assert not store.encrypt_anew(digest)
        assert SECRET not in bucket.objects()[digest].read_bytes()
        assert store.get(digest) == SECRET


def test_only_what_was_written_before_a_time_is_removed(store: ObjectBlobStore) -> None:
    digest = store.put(b"old")
    (blob,) = [each for each in store.stored() if each.digest == digest]
    assert blob.written == pytest.approx(time.time(), abs=60)
    assert not store.remove(digest, before=blob.written - 1)
    assert store.remove(digest, before=blob.written + 2)
    assert not store.remove(digest, before=blob.written + 2)
    assert digest not in {each.digest for each in store.stored()}


def test_a_bucket_knows_the_namespaces_that_use_it(store: ObjectBlobStore) -> None:
    store.join("id-1", "default at here:7233")
    store.join("id-1", "another name")
    store.join("id-2", "prod at there:7233")
    assert store.users() == {"id-1": "default at here:7233", "id-2": "prod at there:7233"}
    assert store.note_of("id-1") == "s3://bucket/blobs/namespaces/id-1"


def test_a_bucket_that_cannot_be_reached_is_down_and_lacks_no_blob(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Bucket(tmp_path)
    for name, value in away.environment.items():
        monkeypatch.setenv(name, value)
    store = ObjectBlobStore(away.url)
    store.join("id-1", "somebody")  # who cannot write here keeps nothing here
    with pytest.raises(BlobStoreDown, match=r"s3://bucket/blobs cannot be read now .*127\.0\.0\.1"):
        store.get("0" * 64)
    with pytest.raises(BlobStoreDown, match="s3://bucket/blobs cannot be written now"):
        store.put(b"data")
    with pytest.raises(BlobStoreDown, match="cannot be read now"):
        list(store.stored())


def test_keys_that_a_bucket_refuses_are_told_without_its_documents(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(BlobStoreDown) as raised:
        ObjectBlobStore(bucket.url).put(b"data")
    assert "lacked the necessary privileges" in raised.value.message
    assert "<" not in raised.value.message


@pytest.mark.parametrize("address", ["ftp://somewhere/blobs", "file:///tmp/blobs", "http://host/blobs", "s3://"])
def test_an_address_that_is_no_bucket_s_is_refused(address: str) -> None:
    with pytest.raises(UserError, match="PERDURE_BLOBS="):
        store_at(address)


def test_what_is_no_address_is_a_directory(tmp_path: Path) -> None:
    assert isinstance(store_at(str(tmp_path)), DirectoryBlobStore)


@pytest.mark.parametrize("is_remote", [True, False])
async def test_no_loop_waits_for_a_store_on_another_machine(is_remote: bool) -> None:
    class Somewhere(BlobStore):
        def put(self, data: bytes) -> str:
            return threading.current_thread().name

        def get(self, digest: str) -> bytes:
            return b""

    Somewhere.is_remote = is_remote  # type: ignore[misc]
    store = Somewhere()
    assert (await unblocked(store, store.put, b"") != threading.current_thread().name) is is_remote
