"""What becomes of payloads on their way into a history and out of it: large ones are compressed, all encrypted.

Encrypted where the environment has keys. temporalio says which workflow a payload is about; of what is about none,
nothing is known but what its metadata says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ActivitySerializationContext,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

from perdure.compression import compressed, expanded
from perdure.encryption import Place, decrypted, encrypted
from perdure.keyring import Keyring, keyring

_NOWHERE = Place("")


class Codec(PayloadCodec, WithSerializationContext):
    """The codec that clients, workers, replayers and the command line share.

    Args:
        ring: Gives the keys; those of the environment, by default.
        labels: Those of the places that a payload may belong to, the first for what is encrypted.
    """

    def __init__(self, ring: Callable[[], Keyring | None] = keyring, labels: tuple[bytes, ...] = ()) -> None:
        self._ring = ring
        self._labels = labels

    def with_context(self, context: SerializationContext) -> Self:
        """The codec for the payloads of one workflow or activity."""
        if self._ring() is None:
            return self
        return type(self)(self._ring, _labels_of(context))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """The payloads as they go into the history."""
        ring = self._ring()
        if ring is None:
            return [compressed(payload) for payload in payloads]
        label = self._labels[0] if self._labels else _NOWHERE.label
        return [encrypted(compressed(payload), ring, label) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """The payloads as they were; one that cannot be opened is marked, never an error, which would wedge a run."""
        ring = self._ring()
        return [expanded(decrypted(payload, ring, self._labels)) for payload in payloads]


def _labels_of(context: SerializationContext) -> tuple[bytes, ...]:
    """Where payloads of a context belong; those that people send from the UI name no workflow."""
    match context:
        case WorkflowSerializationContext():
            return Place(context.namespace, context.workflow_id).label, Place(context.namespace).label
        case ActivitySerializationContext():
            own = Place(context.namespace, context.workflow_id or "").label
            return (own,)
        case _:
            return ()
