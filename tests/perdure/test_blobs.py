"""Large items travel by reference."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from perdure.blob_directory import DirectoryBlobStore
from perdure.blobs import load_blob, load_item, store_item, store_items
from perdure.canonical import canonical, encode
from perdure.errors import BlobStoreDown, BlobUnavailable, UserError
from perdure.items import is_reference
from perdure.keyring import KEYS, Key, keyring, new_key
from perdure.limits import MAX_INLINE_ITEM_BYTES


def output(text: str) -> dict[str, Any]:
    return {"call_id": "c1", "output": text, "type": "function_call_output"}


@pytest.fixture
def blobs(tmp_path: Path) -> DirectoryBlobStore:
    return DirectoryBlobStore(tmp_path / "blobs")


def files(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_small_item_is_kept_as_it_is(blobs: DirectoryBlobStore, tmp_path: Path) -> None:
    assert store_item(output("short"), blobs) == output("short")
    assert files(tmp_path) == []


def test_an_item_of_just_64_kib_is_kept_and_one_byte_more_is_not(blobs: DirectoryBlobStore) -> None:
    room = MAX_INLINE_ITEM_BYTES - len(canonical(output("")))
    assert not is_reference(store_item(output("x" * room), blobs))
    assert is_reference(store_item(output("x" * (room + 1)), blobs))


def test_an_output_of_10_mb_becomes_a_reference_of_2_kb_and_comes_back_whole(blobs: DirectoryBlobStore) -> None:
    item = output("🙂" * 2_500_000)
    stored = store_item(item, blobs)
    assert len(encode(stored)) < 2048
    assert json.loads(load_item(encode(stored), blobs)) == item


@pytest.mark.parametrize("text", ["\x00" * 100_000, '"' * 100_000, "\ud83d" * 100_000, "日" * 100_000])
def test_a_reference_is_small_whatever_the_item_holds(blobs: DirectoryBlobStore, text: str) -> None:
    stored = store_item(output(text), blobs)
    assert len(encode(stored)) < 2048
    assert load_item(encode(stored), blobs) == canonical(output(text))


def test_a_reference_keeps_what_the_loop_needs_and_shows_the_beginning(blobs: DirectoryBlobStore) -> None:
    item = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "look", "arguments": "y" * 100_000}
    stored = store_item({**item, "status": "completed", "extra": 1}, blobs)
    blob = stored.pop("perdure_blob")
    assert stored == {"type": "function_call", "id": "fc", "call_id": "c1", "name": "look", "status": "completed"}
    assert blob["head"] == '"' + "y" * 399
    assert blob["size"] == len(load_blob(blob["sha256"], blobs))


def test_a_message_is_a_reference_with_its_role(blobs: DirectoryBlobStore) -> None:
    stored = store_item({"role": "user", "content": "z" * 100_000}, blobs)
    assert stored["role"] == "user"


def test_a_reference_stored_again_stays_the_same(blobs: DirectoryBlobStore) -> None:
    stored = store_item(output("x" * 100_000), blobs)
    assert store_item(stored, blobs) == stored


def test_writing_twice_is_writing_once(blobs: DirectoryBlobStore, tmp_path: Path) -> None:
    assert blobs.put(b"data") == blobs.put(b"data") == hashlib.sha256(b"data").hexdigest()
    assert len(files(tmp_path)) == 1


def test_no_half_written_file_is_left(blobs: DirectoryBlobStore, tmp_path: Path) -> None:
    digest = blobs.put(b"data")
    assert [path.name for path in files(tmp_path)] == [digest]


def test_a_missing_blob_is_an_error_that_says_what_must_be_shared(blobs: DirectoryBlobStore) -> None:
    blobs.put(b"another one")
    with pytest.raises(UserError, match=r"is not in .*PERDURE_BLOBS"):
        blobs.get("0" * 64)


def test_a_changed_blob_is_an_error(blobs: DirectoryBlobStore, tmp_path: Path) -> None:
    digest = blobs.put(b"data")
    (path,) = files(tmp_path)
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    path.write_bytes(b"Data")
    with pytest.raises(UserError, match="was changed"):
        blobs.get(digest)


def test_a_store_that_is_not_there_is_down_and_lacks_no_blob(blobs: DirectoryBlobStore, tmp_path: Path) -> None:
    digest = blobs.put(b"data")
    away = DirectoryBlobStore(tmp_path / "unmounted")
    with pytest.raises(BlobStoreDown, match="unmounted cannot be read now"):
        away.get(digest)
    (tmp_path / "unmounted").write_text("no directory")
    with pytest.raises(BlobStoreDown, match="unmounted cannot be read now"):
        away.get(digest)
    with pytest.raises(BlobStoreDown, match="unmounted cannot be written now"):
        away.put(b"data")


def test_a_reference_without_a_store_is_an_error(blobs: DirectoryBlobStore) -> None:
    stored = encode(store_item(output("x" * 100_000), blobs))
    with pytest.raises(UserError, match="set PERDURE_BLOBS"):
        load_item(stored, None)


@pytest.mark.parametrize("mention", [5, None, {"sha256": 5}, {"sha256": "../../../etc/passwd"}, {"size": 1}, []])
def test_an_item_that_only_reads_like_a_reference_is_itself(blobs: DirectoryBlobStore, mention: Any) -> None:
    item = encode({"role": "user", "content": "hi", "perdure_blob": mention})
    assert load_item(item, blobs) == item


def test_an_item_that_speaks_of_references_is_itself(blobs: DirectoryBlobStore) -> None:
    item = encode({"role": "user", "content": 'what is "perdure_blob"?', "x": {"perdure_blob": {"sha256": "0" * 64}}})
    assert load_item(item, blobs) == item


@pytest.mark.parametrize("text", ["x" * 10_000_000, "\x00" * 100_000, "🙂" * 50_000, "\ud83d" * 100_000])
def test_without_a_store_a_long_output_is_cut_and_says_so(text: str) -> None:
    stored = store_item(output(text), None)
    size = len(canonical(output(text)))
    note = f"\n[cut: the first part of {size} bytes; set PERDURE_BLOBS to keep long outputs whole]"
    kept, said, _ = stored["output"].partition(note)
    assert said
    assert canonical(kept)[1:-1] == canonical(text[: len(kept)])[1:-1]
    assert len(encode(stored)) <= MAX_INLINE_ITEM_BYTES


@pytest.mark.parametrize(
    "item",
    [
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "x" * 100_000},
        {"role": "user", "content": "x" * 100_000},
        {"call_id": "c1", "type": "function_call_output", "output": [{"type": "input_image", "data": "x" * 100_000}]},
    ],
)
def test_without_a_store_any_other_long_item_is_refused(item: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="larger than 65536 bytes and there is no blob store"):
        store_item(item, None)


def test_items_within_the_budget_are_kept_as_they_are(blobs: DirectoryBlobStore) -> None:
    items = [output("x" * 1000) for _ in range(10)]
    assert store_items(items, blobs, 20_000) == items


def test_the_largest_items_go_to_the_store_first(blobs: DirectoryBlobStore) -> None:
    items = [output("a" * 10_000), output("b" * 50_000), output("c" * 20_000), output("d" * 40_000)]
    stored = store_items(items, blobs, 35_000)
    assert [is_reference(item) for item in stored] == [False, True, False, True]
    assert sum(len(encode(item)) for item in stored) <= 35_000
    assert [json.loads(load_item(encode(item), blobs)) for item in stored] == items


def test_items_above_the_budget_without_a_store_are_refused() -> None:
    with pytest.raises(UserError, match=r"3 items take \d+ bytes, more than 20000, and there is no blob store"):
        store_items([output("x" * 10_000)] * 3, None, 20_000)


def test_an_item_that_its_reference_would_not_shorten_is_no_reference(blobs: DirectoryBlobStore) -> None:
    stored = store_items([output("x" * 30_000), output("y" * 10), output("z" * 10)], blobs, 1_000)
    assert [is_reference(item) for item in stored] == [True, False, False]


def test_so_many_items_that_references_do_not_help_are_refused(blobs: DirectoryBlobStore) -> None:
    with pytest.raises(UserError, match="even their references are too long"):
        store_items([output("short")] * 100, blobs, 1_000)


def test_a_blob_that_is_written_again_is_not_removed_as_an_old_one(blobs: DirectoryBlobStore, tmp_path: Path) -> None:
    digest = blobs.put(b"data")
    (path,) = files(tmp_path)
    os.utime(path, (1000, 1000))
    [found] = blobs.stored()
    assert found == (digest, path.stat().st_size, 1000)
    blobs.put(b"data")
    assert not blobs.remove(digest, before=2000)
    assert blobs.get(digest) == b"data"
    os.utime(path, (1000, 1000))
    assert blobs.remove(digest, before=2000)
    assert files(tmp_path) == []
    assert not blobs.remove(digest, before=2000)


def test_what_a_killed_writer_left_is_swept_once_it_is_old(blobs: DirectoryBlobStore, tmp_path: Path) -> None:
    digest = blobs.put(b"data")
    old, young = (tmp_path / "blobs" / digest[:2] / name for name in ("tmpold", "tmpyoung"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1000, 1000))
    blobs.sweep(before=2000)
    assert {path.name for path in files(tmp_path)} == {digest, "tmpyoung"}
    assert [each.digest for each in blobs.stored()] == [digest]


def test_a_store_knows_the_namespaces_that_use_it(blobs: DirectoryBlobStore) -> None:
    assert blobs.users() == {}
    blobs.join("1", "default at here")
    blobs.join("2", "other at there")
    blobs.join("1", "renamed")
    assert blobs.users() == {"1": "default at here", "2": "other at there"}
    blobs.put(b"data")
    assert len(list(blobs.stored())) == 1


OLD, NEW = new_key("old"), new_key("new")
CANARY = b"a canary " * 10_000


@pytest.fixture
def with_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets this process's keys."""

    def set_them(*keys: Key) -> None:
        monkeypatch.setenv(KEYS, ",".join(f"{key.id}:{key.text}" for key in keys))
        keyring.cache_clear()

    yield set_them
    monkeypatch.undo()
    keyring.cache_clear()


def test_with_keys_no_file_shows_what_a_blob_holds(
    blobs: DirectoryBlobStore, tmp_path: Path, with_keys: Callable[..., None]
) -> None:
    with_keys(OLD)
    assert blobs.get(blobs.put(CANARY)) == CANARY
    (file,) = files(tmp_path)
    assert b"canary" not in file.read_bytes()


def test_a_blob_that_is_needed_anew_is_encrypted_with_the_first_key(
    blobs: DirectoryBlobStore, with_keys: Callable[..., None]
) -> None:
    with_keys(OLD)
    digest = blobs.put(CANARY)
    with_keys(NEW, OLD)
    assert blobs.put(CANARY) == digest
    with_keys(NEW)
    assert blobs.get(digest) == CANARY


def test_old_keys_can_be_given_up_once_all_blobs_are_encrypted_anew(
    blobs: DirectoryBlobStore, tmp_path: Path, with_keys: Callable[..., None]
) -> None:
    digest = blobs.put(b"from before encryption")
    (file,) = files(tmp_path)
    os.utime(file, (1e9, 1e9))
    with_keys(OLD)
    other = blobs.put(CANARY)
    monkeys = pytest.MonkeyPatch()
    monkeys.setenv("PERDURE_ENCRYPTION_ACCEPTS_PLAIN", "1")
    with_keys(NEW, OLD)
    assert [blobs.encrypt_anew(each) for each in (digest, other, digest)] == [True, True, False]
    assert file.stat().st_mtime == 1e9
    monkeys.undo()
    with_keys(NEW)
    assert (blobs.get(digest), blobs.get(other)) == (b"from before encryption", CANARY)


def test_a_blob_without_its_key_or_at_another_s_place_is_unavailable(
    blobs: DirectoryBlobStore, tmp_path: Path, with_keys: Callable[..., None]
) -> None:
    with_keys(OLD)
    digest = blobs.put(CANARY)
    (file,) = files(tmp_path)
    moved = "0" * 64
    (file.parent.parent / "00").mkdir(exist_ok=True)
    (file.parent.parent / "00" / moved).write_bytes(file.read_bytes())
    with pytest.raises(BlobUnavailable, match="was encrypted for"):
        blobs.get(moved)
    with_keys(NEW)
    with pytest.raises(BlobUnavailable, match="key 'old', which this process does not have"):
        blobs.get(digest)
