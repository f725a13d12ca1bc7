"""How values become payloads: JSON by pydantic, only the fields that were set; then the codec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self

from pydantic_core import from_json
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.contrib.pydantic import PydanticPayloadConverter, ToJsonOptions
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverter,
    PayloadConverter,
    SerializationContext,
    WithSerializationContext,
)
from temporalio.exceptions import ApplicationError

from perdure.contracts.codec import Codec
from perdure.encryption import is_rejected, reason
from perdure.errors import PayloadUnreadable
from perdure.keyring import Keyring, keyring

_JSON = b"json/plain"
# What holds nothing of a run and is said to a query, of whose failure a client sees the text alone.
_SAY_NOTHING = {"RunContinued", "MalformedMessage"}
# Made once: Temporal makes a payload converter for each workflow task; these keep what pydantic compiles for a type.
_CONVERTERS = PydanticPayloadConverter(ToJsonOptions(exclude_unset=True)).converters


class _PayloadConverter(PydanticPayloadConverter):
    """As pydantic's, but what nobody declared a type for is never an error: what cannot be read stays raw.

    A run's handlers declare none, so that no payload, whoever sends it, can fail a workflow task. What could not be
    opened stays raw whatever is wanted of it: a workflow decides what that means to it.
    """

    def __init__(self) -> None:
        self.converters = _CONVERTERS

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        if type_hints is None:
            return [self._read(payload) for payload in payloads]
        if any(map(is_rejected, payloads)):
            hints = [*type_hints, *[RawValue] * (len(payloads) - len(type_hints))]
            type_hints = [
                RawValue if is_rejected(payload) else hint for payload, hint in zip(payloads, hints, strict=False)
            ]
        return super().from_payloads(payloads, type_hints)

    def _read(self, payload: Payload) -> Any:
        try:
            if payload.metadata.get("encoding") == _JSON:  # nearly all; pydantic would make an adapter for each
                return from_json(payload.data)
            return super().from_payloads([payload])[0]
        except Exception:  # noqa: BLE001  bytes from anywhere may make any decoder raise anything
            return RawValue(payload)


class _FailureConverter(DefaultFailureConverter):
    """As temporalio's; with keys, texts and tracebacks go the way of payloads, too, but where they are fixed words."""

    ring: Callable[[], Keyring | None] = staticmethod(keyring)
    _encoding = DefaultFailureConverter(encode_common_attributes=True)

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        fixed = isinstance(exception, ApplicationError) and exception.type in _SAY_NOTHING
        convert = super().to_failure if fixed or self.ring() is None else self._encoding.to_failure
        convert(exception, payload_converter, failure)

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> BaseException:
        if is_rejected(failure.encoded_attributes):
            failure.message = f"a failure whose text {reason(failure.encoded_attributes)}"
        return super().from_failure(failure, payload_converter)


class _DataConverter(DataConverter):
    """As temporalio's, but says why a payload cannot be opened; its codec alone goes by whose payload it is."""

    def with_context(self, context: SerializationContext) -> Self:
        if not isinstance(self.payload_codec, WithSerializationContext):
            return self
        codec = self.payload_codec.with_context(context)
        return self if codec is self.payload_codec else replace(self, payload_codec=codec)

    async def decode(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        values = await super().decode(payloads, type_hints)
        for value in values:
            if isinstance(value, RawValue) and is_rejected(value.payload):
                raise PayloadUnreadable(f"A value of the history {reason(value.payload)}.")
        return values


def converter_with(ring: Callable[[], Keyring | None]) -> DataConverter:
    """A converter with keys of one's own, as for a process that speaks for several deployments."""
    failures = type("FailureConverter", (_FailureConverter,), {"ring": staticmethod(ring)})
    return _DataConverter(_PayloadConverter, Codec(ring), failures)


data_converter = _DataConverter(_PayloadConverter, Codec(), _FailureConverter)
