"""The command removes what is not needed any more, and says what and why not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from perdure.blob_directory import DirectoryBlobStore
from tests.cli.conftest import Shop

pytestmark = pytest.mark.thorough


def stored(shop: Shop) -> DirectoryBlobStore:
    return DirectoryBlobStore(shop.home / "blobs")


def put_old(shop: Shop, data: bytes) -> str:
    digest = stored(shop).put(data)
    then = time.time() - 7200
    os.utime(shop.home / "blobs" / digest[:2] / digest, (then, then))
    return digest


def test_a_run_is_deleted_once_it_has_ended_with_its_blobs(shop: Shop) -> None:
    before = {blob.digest for blob in stored(shop).stored()}
    assert shop.perdure("run", "shop:support", "-", "--run-id", "d1", given="Order 7 " + "x" * 100_000).code == 4
    assert len({blob.digest for blob in stored(shop).stored()} - before) == 1
    early = shop.perdure("delete", "d1")
    assert early.code == 2
    assert "has not ended; nothing was deleted. Cancel it first" in early.err
    assert shop.perdure("cancel", "d1").code == 0
    shop.perdure("run", "shop:support", "-", "--run-id", "d1", given="Order 7 " + "x" * 100_000)
    gone = shop.perdure("delete", "d1", "--json")
    assert (gone.code, gone.json["histories"], gone.json["blobs"], gone.json["kept"]) == (0, 1, 1, "")
    assert {blob.digest for blob in stored(shop).stored()} == before
    assert shop.perdure("show", "d1").code == 3
    assert shop.perdure("delete", "d1").code == 3


def test_blobs_that_no_run_needs_are_pruned(shop: Shop) -> None:
    shop.perdure("runs")  # starts the server
    old, young = put_old(shop, b"nobody's"), stored(shop).put(b"perhaps somebody's")
    tried = shop.perdure("blobs", "prune", "--dry-run", "--json").json
    assert (tried["dry_run"], tried["blobs"], tried["young"] >= 1) == (True, 1, True)
    assert old in {blob.digest for blob in stored(shop).stored()}
    done = shop.perdure("blobs", "prune")
    assert done.code == 0
    assert done.out.startswith(f"1 blobs removed, {tried['bytes']} bytes; ")
    left = {blob.digest for blob in stored(shop).stored()}
    assert (old in left, young in left) == (False, True)


def test_a_store_that_another_namespace_uses_is_not_pruned(shop: Shop) -> None:
    shop.perdure("runs")
    old = put_old(shop, b"another's")
    stored(shop).join("another-id", "production")
    refused = shop.perdure("blobs", "prune")
    Path(stored(shop).note_of("another-id")).unlink()
    assert refused.code == 2
    assert "shared with another namespace, production" in refused.err
    assert old in {blob.digest for blob in stored(shop).stored()}
