"""How values become payloads: JSON by pydantic, only the fields that were set; large ones compressed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.contrib.pydantic import PydanticPayloadConverter, ToJsonOptions
from temporalio.converter import DataConverter

from perdure.compression import Compression

_JSON = b"json/plain"


class _PayloadConverter(PydanticPayloadConverter):
    """As pydantic's, but what nobody declared a type for is never an error: what cannot be read stays raw.

    A run's handlers declare none, so that no payload, whoever sends it, can fail a workflow task.
    """

    def __init__(self) -> None:
        super().__init__(ToJsonOptions(exclude_unset=True))

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        if type_hints is not None:
            return super().from_payloads(payloads, type_hints)
        return [self._read(payload) for payload in payloads]

    def _read(self, payload: Payload) -> Any:
        try:
            if payload.metadata.get("encoding") == _JSON:  # nearly all; pydantic would make an adapter for each
                return from_json(payload.data)
            return super().from_payloads([payload])[0]
        except Exception:  # noqa: BLE001  bytes from anywhere may make any decoder raise anything
            return RawValue(payload)


data_converter = DataConverter(payload_converter_class=_PayloadConverter, payload_codec=Compression())
