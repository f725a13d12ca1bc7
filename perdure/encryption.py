"""Encrypts payloads and blobs with AES-256-GCM, and decrypts them; what cannot be opened is marked, never an error.

A codec that raises lets anybody who reaches the namespace stop any run with one message. So what is not encrypted, was
changed or belongs elsewhere becomes a payload that nothing reads as a value; who gets it says why.

Each is bound to its place: a payload to namespace and workflow, so that nobody can move it to another run; a blob to
its digest. The place stands in the metadata, too, for those who decrypt without knowing it, as the codec server of the
Temporal UI must.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, NamedTuple

from temporalio.api.common.v1 import Payload

from perdure.keyring import KEYS, Keyring, is_key_id

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ENCRYPTED = b"binary/encrypted"
REJECTED = b"binary/rejected"  # what nothing reads as a value: a handler sees a raw payload and ignores it

_VERSION = b"perdure 1"
_NONCE_BYTES = 12
_KEY, _PLACE, _VOUCHERS = "key", "for", "vouch"
_LACKS, _GENUINE = "lacks", "genuine"


class Place(NamedTuple):
    """Where a payload belongs.

    Attributes:
        namespace: Temporal's namespace.
        workflow_id: The workflow; empty if it may be any of the namespace, as for what people send from the UI.
    """

    namespace: str
    workflow_id: str = ""

    @property
    def label(self) -> bytes:
        """The place as it stands in the metadata."""
        return f"{self.namespace}\0{self.workflow_id}".encode()

    def __str__(self) -> str:
        return f"workflow {self.workflow_id[:200]!r} of namespace {self.namespace[:200]!r}"


def encrypted(payload: Payload, ring: Keyring, label: bytes) -> Payload:
    """The payload, encrypted for the place with this label."""
    key = ring.first
    nonce = os.urandom(_NONCE_BYTES)
    data = _cipher(key.secret).encrypt(nonce, payload.SerializeToString(), _bound_to(key.id, label))
    metadata = {"encoding": ENCRYPTED, _KEY: key.id.encode(), _PLACE: label}
    if ring.vouchers:
        metadata[_VOUCHERS] = ring.vouchers
    return Payload(metadata=metadata, data=nonce + data)


def decrypted(payload: Payload, ring: Keyring | None, labels: tuple[bytes, ...] = ()) -> Payload:
    """The payload as it was before `encrypted`; one that cannot be opened here is marked as rejected.

    Args:
        payload: An encrypted payload, or any other.
        ring: The keys; without any, an encrypted payload lacks its key and others are as they are.
        labels: Those of the places that it may have been encrypted for; any place, if there are none.
    """
    if payload.metadata.get("encoding") != ENCRYPTED:
        if ring is None or ring.accepts_plain:
            return payload
        return rejected("it is not encrypted, and only what one of this deployment's keys has encrypted is taken")
    key_id, label = payload.metadata.get(_KEY, b"").decode(errors="replace"), payload.metadata.get(_PLACE, b"")
    if not is_key_id(key_id):  # to wait for it would be to wait for ever
        return rejected(f"it says that it is encrypted, with key {key_id[:40]!r}, and no key can be called that")
    key = None if ring is None else ring.find(key_id)
    if key is None:
        genuine = ring is not None and ring.vouches_for(key_id, payload.metadata.get(_VOUCHERS, b""))
        return _lacking(key_id, genuine=genuine)
    if labels and label not in labels:
        return rejected(f"it was encrypted for {place_of(payload)}, not for this one")
    return _opened(payload.data, key.secret, _bound_to(key.id, label), key_id)


def _opened(data: bytes, secret: bytes, bound_to: bytes, key_id: str) -> Payload:
    try:
        return Payload.FromString(_cipher(secret).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], bound_to))
    except Exception:  # noqa: BLE001  these bytes may come from anybody
        return rejected(f"key {key_id!r} does not open it: it was changed, or encrypted with another key of that id")


def rejected(why: str) -> Payload:
    """A payload that stands for one that cannot be opened, and says why."""
    return Payload(metadata={"encoding": REJECTED}, data=f"cannot be opened: {why}".encode())


def _lacking(key_id: str, *, genuine: bool) -> Payload:
    marked = rejected(f"it is encrypted with key {key_id[:40]!r}, which this process does not have ({KEYS})")
    marked.metadata[_LACKS] = key_id.encode()
    if genuine:
        marked.metadata[_GENUINE] = b"1"
    return marked


def is_rejected(payload: Payload) -> bool:
    """Whether it stands for one that could not be opened."""
    return payload.metadata.get("encoding") == REJECTED


def reason(payload: Payload) -> str:
    """Why a rejected payload could not be opened."""
    return payload.data.decode(errors="replace")


def lacks_key(payload: Payload) -> bool:
    """Whether it could not be opened because this process does not have the key, which another may have."""
    return is_rejected(payload) and _LACKS in payload.metadata


def is_genuine(payload: Payload) -> bool:
    """Whether the key that it lacks is known to belong to the ring: one of this process's keys vouches for it."""
    return _GENUINE in payload.metadata


def place_of(payload: Payload) -> Place:
    """The place that an encrypted payload says that it belongs to."""
    return Place(*payload.metadata.get(_PLACE, b"").decode(errors="replace").partition("\0")[::2])


def key_of(payload: Payload) -> str:
    """The id of the key that a payload is encrypted with; empty if it is not encrypted."""
    return payload.metadata[_KEY].decode(errors="replace") if payload.metadata.get("encoding") == ENCRYPTED else ""


def _bound_to(key_id: str, label: bytes) -> bytes:
    return b"\0".join((_VERSION, key_id.encode(), label))


@functools.lru_cache(maxsize=64)
def _cipher(secret: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(secret)
