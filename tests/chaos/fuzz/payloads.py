"""What is sent to a run from outside: payloads of any kind and number, and names."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload

from perdure.compression import compressed
from tests.chaos.fuzz.values import BIG_TEXT, JSON_TEXTS, json_texts, json_values

_odd_names = st.one_of(
    st.sampled_from(["approve", "decide", "status", "aprove", "", "x" * 900, "x" * 1100, "\u202e", "a b/c", "\x00"]),
    st.sampled_from(["__temporal_x", "__stack_trace", "__temporal_workflow_metadata", "__init__", "run", "*"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
)


def names(*known: str) -> st.SearchStrategy[str]:
    """Names that protobuf can carry, these among them."""
    return st.one_of(st.sampled_from(known), st.sampled_from(known), _odd_names)


_ENCODINGS = [
    b"json/plain", b"json/plain", b"json/plain", b"json/protobuf", b"binary/plain", b"binary/null",
    b"binary/protobuf", b"binary/zlib", b"binary/rejected", b"binary/encrypted", b"", b"\xff\xfe", b"x" * 1000,
]  # fmt: skip  # json/plain is what gets furthest


def _payload(encoding: bytes | None, data: bytes, message_type: bytes | None = None) -> Payload:
    metadata = {} if encoding is None else {"encoding": encoding}
    return Payload(metadata=metadata | ({} if message_type is None else {"messageType": message_type}), data=data)


def plain(text: str) -> Payload:
    """A text as the JSON of a payload, whether it is JSON or not."""
    return _payload(b"json/plain", text.encode("utf-8", "surrogatepass"))


def as_json(value: Any) -> Payload:
    """A JSON value as a payload, half surrogates behind escapes."""
    return plain(json.dumps(value))


def squeezed(text: str) -> Payload:
    """A text that is as good as nothing on its way and large when it is read."""
    return compressed(plain(text))


PAYLOADS = [
    *(plain(text) for text in JSON_TEXTS),
    squeezed('{"call_id": "' + "x" * 3_000_000 + '"}'),
    squeezed('{"call_id": "' + "x" * 20_000_000 + '"}'),
    squeezed('{"agent": "' + "x" * 3_000_000 + '", "input": []}'),
    squeezed(
        json.dumps({"agent": "Waiting", "input": [{"role": "user", "content": "go"}], "context": {"a": BIG_TEXT}})
    ),
    Payload(metadata={"encoding": b"binary/zlib"}, data=compressed(plain(" " * 100_000)).data[:50]),
    _payload(b"json/protobuf", b"{}", b"temporal.api.common.v1.Payload"),
    _payload(b"binary/protobuf", b"\x00", b"temporal.api.common.v1.Payload"),
    _payload(b"binary/protobuf", b"\xff", b"no.such.Message"),
    _payload(b"json/protobuf", b"[", b"\xff"),
    _payload(None, b""),
    _payload(b"binary/null", b"not null"),
]
"""Payloads by hand."""

payloads = st.one_of(
    st.sampled_from(PAYLOADS),
    st.builds(_payload, st.sampled_from(_ENCODINGS), st.binary(max_size=100)),
    st.builds(_payload, st.sampled_from(_ENCODINGS), json_texts.map(lambda text: text.encode("utf-8", "replace"))),
    json_texts.map(plain),
)
"""One payload of a message."""


def _mostly(values: dict[str, Any]) -> st.SearchStrategy[str]:
    """The JSON of an object that is nearly right: each field is missing, right, or anything."""
    fields = {name: st.one_of(st.just(value), st.just(value), json_values) for name, value in values.items()}
    strange = st.dictionaries(st.text(max_size=8), json_values, max_size=1)
    return st.builds(lambda known, more: json.dumps(known | more), st.fixed_dictionaries({}, optional=fields), strange)


def messages(values: dict[str, Any]) -> st.SearchStrategy[list[Payload]]:
    """The payloads of a message that should be one JSON object with these fields."""
    one = _mostly(values).map(plain).map(lambda payload: [payload])
    return st.one_of(one, one, st.lists(payloads, max_size=4), st.just([plain("{}")] * 300))
