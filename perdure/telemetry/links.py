"""Where a span belongs, as it travels in Temporal's headers: the W3C form under the name that Temporal's own uses."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from temporalio.api.common.v1 import Payload

from perdure.encryption import ENCRYPTED, decrypted, encrypted
from perdure.keyring import keyring

HEADER = "_tracer-data"  # as temporalio.contrib.opentelemetry names it, so that its clients and ours go together
PARENT = "perdure_parent"  # in the header of a run that goes on in a new history: whose span its own is part of
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_PLACE = b"header\0"
_MOST_BYTES = 16 * 1024  # of a header; what is longer is none of ours


@dataclass(frozen=True, slots=True)
class Link:
    """A span: whose trace it is part of, and whether that is recorded."""

    trace_id: int
    span_id: int
    sampled: bool = True

    @property
    def traceparent(self) -> str:
        """The link as W3C Trace Context writes it."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{int(self.sampled):02x}"


def link_of(traceparent: Any) -> Link | None:
    """The link in a `traceparent`; `None` if it holds none."""
    parts = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    if parts is None:
        return None
    link = Link(int(parts[1], 16), int(parts[2], 16), bool(int(parts[3], 16) & 1))
    return link if link.trace_id and link.span_id else None


def written(values: Mapping[str, Any]) -> Payload:
    """A header's payload; encrypted, where there are keys, if it says more than which trace it is about."""
    data = json.dumps(values, separators=(",", ":")).encode()
    payload, ring = Payload(metadata={"encoding": b"json/plain"}, data=data), keyring()
    return payload if ring is None or values.keys() <= {"traceparent"} else encrypted(payload, ring, _PLACE)


def read(headers: Mapping[str, Payload]) -> dict[str, Any]:
    """What the header says; empty if there is none, or one that cannot be read."""
    payload = headers.get(HEADER)
    if payload is None or len(payload.data) > _MOST_BYTES:
        return {}
    if payload.metadata.get("encoding") == ENCRYPTED:
        payload = decrypted(payload, keyring(), (_PLACE,))
    try:
        values: Any = json.loads(payload.data)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", values) if isinstance(values, dict) else {}


def trace_id_of(name: str) -> int:
    """The trace that a name stands for: an id in hexadecimal, as `trace_` and 32 digits, is that very one."""
    digits = name.removeprefix("trace_").lower()
    if re.fullmatch(r"[0-9a-f]{32}", digits) and int(digits, 16):
        return int(digits, 16)
    return int.from_bytes(_digest(name)[:16]) or 1


def span_id_of(*parts: Any) -> int:
    """A span's id that is the same wherever and however often it is made."""
    return int.from_bytes(_digest("/".join(map(str, parts)))[:8]) or 1


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
