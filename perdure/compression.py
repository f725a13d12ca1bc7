"""Large payloads are compressed, before they are encrypted, on their way into the history and into the blob store.

Small ones stay plain JSON, so that the Temporal UI shows them as they are.
"""

from __future__ import annotations

import zlib

from temporalio.api.common.v1 import Payload

from perdure.encryption import REJECTED
from perdure.limits import MAX_EXPANDED_BYTES, MIN_COMPRESSED_BYTES

_ENCODING = b"binary/zlib"
_LEVEL = 1  # levels above gain a few per cent and cost several times as much (measured on recorded conversations)


def compressed(payload: Payload) -> Payload:
    """The payload, compressed if that is worth it."""
    if len(payload.data) < MIN_COMPRESSED_BYTES:
        return payload
    data = zlib.compress(payload.SerializeToString(), _LEVEL)
    if len(data) >= len(payload.data):
        return payload
    return Payload(metadata={"encoding": _ENCODING}, data=data)


def expanded(payload: Payload, limit: int = MAX_EXPANDED_BYTES) -> Payload:
    """The payload as it was before `compressed`; more than `limit` bytes (0: any number) are no payload of ours."""
    if payload.metadata.get("encoding") != _ENCODING:
        return payload
    try:
        data = _expand(payload.data, limit)
        return Payload.FromString(data)
    except Exception as error:  # noqa: BLE001  these bytes may come from anybody
        text = f"a compressed payload of {len(payload.data)} bytes cannot be expanded: {error}"
        return Payload(metadata={"encoding": REJECTED}, data=text.encode())


def _expand(data: bytes, limit: int) -> bytes:
    expanding = zlib.decompressobj()
    whole = expanding.decompress(data, limit)
    if not expanding.eof:
        raise ValueError(f"it is cut short, or longer than {limit} bytes")
    return whole
