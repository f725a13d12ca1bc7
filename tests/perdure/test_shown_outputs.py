"""Of a tool's output the model is shown no more than the run says; the whole is kept, and found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from perdure.blob_directory import DirectoryBlobStore
from perdure.blobs import load_item
from perdure.canonical import encode
from perdure.errors import UserError
from perdure.limits import FEWEST_TOOL_OUTPUT_BYTES, MAX_ITEM_BYTES
from perdure.shown_outputs import load_whole, store_output

BOUND = FEWEST_TOOL_OUTPUT_BYTES


def answer(output: Any) -> dict[str, Any]:
    return {"call_id": "c1", "output": output, "type": "function_call_output"}


def text(words: str) -> dict[str, Any]:
    return {"type": "input_text", "text": words}


@pytest.fixture
def blobs(tmp_path: Path) -> DirectoryBlobStore:
    return DirectoryBlobStore(tmp_path)


def shown(stored: dict[str, Any], blobs: DirectoryBlobStore) -> Any:
    return json.loads(load_item(encode(stored), blobs))["output"]


@pytest.mark.parametrize("output", ["x" * BOUND, [text("x" * BOUND)], "ü" * (BOUND // 2), {"no": "text"}])
def test_what_fits_is_shown_as_it_is(blobs: DirectoryBlobStore, output: Any) -> None:
    stored = store_output(answer(output), blobs, BOUND)
    assert stored == answer(output)
    assert load_whole(stored, blobs) is None


@pytest.mark.parametrize("output", ["x" * (BOUND + 1), "🙂" * 10_000, "\x00" * 100_000])
def test_of_what_does_not_fit_the_beginning_is_shown_and_the_rest_is_told_of(
    blobs: DirectoryBlobStore, output: str
) -> None:
    stored = store_output(answer(output), blobs, BOUND)
    seen = shown(stored, blobs)
    kept, _, note = seen.partition("\n[cut: ")
    assert output.startswith(kept)
    assert kept
    assert len(seen.encode()) <= BOUND
    assert note == f"the first {len(kept.encode())} of {len(output.encode())} bytes; the rest is kept with the run]"
    assert load_whole(stored, blobs) == answer(output)
    assert len(encode(stored)) < 4096


def test_of_a_list_the_texts_are_shown_until_there_is_no_room_and_images_are_kept(blobs: DirectoryBlobStore) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    output = [text("a" * 100), image, text("b" * BOUND), image, text("c" * 100)]
    stored = store_output(answer(output), blobs, BOUND)
    first, one, second, other = shown(stored, blobs)
    assert (first, one, other) == (output[0], image, image)
    assert second["text"].startswith("b" * 500)
    assert f"of {BOUND + 200} bytes; the rest is kept" in second["text"]
    assert load_whole(stored, blobs) == answer(output)


def test_without_a_store_the_rest_is_lost_and_the_model_is_told(blobs: DirectoryBlobStore) -> None:
    stored = store_output(answer("x" * 5000), None, BOUND)
    assert stored["output"].endswith("of 5000 bytes; the rest is lost: set PERDURE_BLOBS to keep it]")
    assert load_whole(stored, blobs) is None


def test_a_whole_that_is_missing_is_named(blobs: DirectoryBlobStore, tmp_path: Path) -> None:
    stored = store_output(answer("x" * 5000), blobs, BOUND)
    whole = stored["perdure_blob"]["whole"]["sha256"]
    (tmp_path / whole[:2] / whole).unlink()
    with pytest.raises(UserError, match=whole[:12]):
        load_whole(stored, blobs)


@pytest.mark.parametrize("whole", [5, None, {"sha256": "../../etc/passwd"}, {"size": 1}])
def test_an_item_that_only_reads_as_if_it_had_a_whole_has_none(blobs: DirectoryBlobStore, whole: Any) -> None:
    stored = {"type": "message", "perdure_blob": {"sha256": "0" * 64, "whole": whole}}
    assert load_whole(stored, blobs) is None


def test_by_default_nothing_is_cut_that_a_model_can_read(blobs: DirectoryBlobStore) -> None:
    stored = store_output(answer("x" * MAX_ITEM_BYTES), blobs)
    assert shown(stored, blobs) == "x" * MAX_ITEM_BYTES
    assert load_whole(stored, blobs) is None
