"""What is kept tells nothing of the machine, and is otherwise as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from temporalio.api.common.v1 import Payload

from perdure.compression import compressed
from tests.replay.archive import Kept, read, write
from tests.replay.scrubbing import Scrubber, texts

QUEUE = "perdure-process.box-7.81.4f2a"


def scrubber() -> Scrubber:
    return Scrubber("box-7", ["/srv/people/ana", "/srv"])


def payload_of(data: bytes) -> dict[str, Any]:
    return MessageToDict(compressed(Payload(metadata={"encoding": b"json/plain"}, data=data)))


def test_processes_and_queues_have_neutral_names_everywhere_the_same() -> None:
    history = {"identity": "81@box-7", "taskQueue": {"name": QUEUE}, "input": payload_of(f'["{QUEUE}"]'.encode())}
    scrubbed = scrubber().scrub(history)
    assert list(texts(scrubbed)) == ["1@host", "perdure-process.host.1.1", '["perdure-process.host.1.1"]']


@pytest.mark.parametrize("length", [1, 40_000], ids=["plain", "compressed"])
def test_folders_are_found_inside_payloads(length: int) -> None:
    scrubbed = scrubber().scrub(payload_of(b'["' + b"x" * length + b' /srv/people/ana/app.py on box-7"]'))
    assert list(texts(scrubbed)) == ['["' + "x" * length + ' /somewhere/app.py on host"]']
    assert scrubber().found(scrubbed) == []


def test_what_is_left_is_found() -> None:
    assert scrubber().found({"input": payload_of(b'"box-7: /srv/app.py"')}) == ["/srv", "box-7"]


def test_traces_are_left_out_and_other_words_stay() -> None:
    details = json.dumps({"traceback": "line 7", "message": "boxes, box-70"}).encode()
    history = {"stackTrace": "line 8", "requestId": "81", "details": payload_of(details)}
    assert list(texts(scrubber().scrub(history))) == ['{"traceback":"","message":"boxes, box-70"}']


def test_bytes_that_are_no_text_stay() -> None:
    payload = payload_of(b"\xff\x00 box-7")
    assert scrubber().scrub(payload) == payload


def test_an_archive_gives_back_what_it_was_given_and_is_the_same_each_time(tmp_path: Path) -> None:
    kept = [Kept(f"a-scenario/{number:02}-run.json", f"id-{number}", {"events": [number]}) for number in (2, 1)]
    files = [tmp_path / "one.tar.xz", tmp_path / "two.tar.xz"]
    for file in files:
        write(file, kept)
    assert read(files[0]) == kept[::-1]
    assert files[0].read_bytes() == files[1].read_bytes()
