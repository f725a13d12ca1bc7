"""Large payloads are compressed, small ones stay as they are, and nothing that is sent does harm by being expanded."""

from __future__ import annotations

import random
import zlib

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from perdure.compression import compressed, expanded
from perdure.contracts.codec import Codec
from perdure.contracts.converter import data_converter
from perdure.errors import PayloadUnreadable
from perdure.limits import MAX_EXPANDED_BYTES, MIN_COMPRESSED_BYTES

JSON = {"encoding": b"json/plain"}


def payload(data: bytes) -> Payload:
    return Payload(metadata=JSON, data=data)


def test_a_small_payload_stays_readable() -> None:
    small = payload(b"x" * (MIN_COMPRESSED_BYTES - 1))
    assert compressed(small) is small


def test_a_large_payload_is_smaller_and_comes_back_as_it_was() -> None:
    large = payload(b'{"a":1}' * 10_000)
    sent = compressed(large)
    assert sent.ByteSize() < large.ByteSize() / 10
    assert expanded(sent) == large


def test_what_does_not_get_smaller_stays_as_it_is() -> None:
    noise = payload(random.Random(7).randbytes(100_000))
    assert compressed(noise) is noise


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no zlib at all",
        zlib.compress(b"no payload" * 10),
        zlib.compress(b"x" * 100_000)[:-20],
        zlib.compress(b"\0" * (MAX_EXPANDED_BYTES + 1)),
    ],
    ids=["nothing", "garbage", "not a payload", "cut short", "a bomb"],
)
async def test_what_cannot_be_expanded_is_marked_and_its_reader_is_told(data: bytes) -> None:
    sent = Payload(metadata={"encoding": b"binary/zlib"}, data=data)
    (marked,) = await Codec().decode([sent])
    assert marked.metadata["encoding"] == b"binary/rejected"
    assert isinstance(data_converter.payload_converter.from_payloads([marked])[0], RawValue)
    with pytest.raises(PayloadUnreadable, match="cannot be expanded"):
        await data_converter.decode([sent])


async def test_a_value_goes_through_the_converter_that_all_share() -> None:
    value = {"text": "ü" * 50_000}
    (sent,) = await data_converter.encode([value])
    assert sent.metadata["encoding"] == b"binary/zlib"
    assert await data_converter.decode([sent], [dict]) == [value]
