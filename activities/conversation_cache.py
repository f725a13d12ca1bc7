"""A worker's memory of conversations, by the digest of their chain alone; what it hands out has been hashed to it."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from perdure.transcript import chain


class Held(NamedTuple):
    """One item: as the run has it, which the chain covers, and as the model gets it.

    Attributes:
        sha256: Of the latter, where the former is a reference to it; else empty, and both are the same bytes.
    """

    stored: bytes
    item: bytes
    sha256: str = ""

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return len(self.item) + (len(self.stored) if self.sha256 else 0)

    @property
    def is_intact(self) -> bool:
        """Whether the item is what its stored form says."""
        if not self.sha256:
            return self.item == self.stored
        return hashlib.sha256(self.item).hexdigest() == self.sha256


class ConversationCache:
    """Conversations, at most `max_bytes` of them; the least recently used go first.

    A conversation is kept under its newest digest only. A repeated attempt finds it there; what has been superseded
    (a reset run goes on from an earlier point) is pulled from the run again.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._by_digest: OrderedDict[str, list[Held]] = OrderedDict()
        self.bytes = 0

    def put(self, digest: str, items: list[Held]) -> None:
        """Keeps a conversation that has hashed to its digest."""
        self.take(digest)
        self._by_digest[digest] = items
        self.bytes += sum(held.size for held in items)
        while self.bytes > self._max_bytes and len(self._by_digest) > 1:
            self.take(next(iter(self._by_digest)))

    def get(self, digest: str) -> list[Held] | None:
        """A conversation, which nobody may change."""
        if digest in self._by_digest:
            self._by_digest.move_to_end(digest)
        return self._by_digest.get(digest)

    def take(self, digest: str) -> list[Held] | None:
        """A conversation, which is forgotten with this: a longer one takes its place, or it is not what it was."""
        items = self._by_digest.pop(digest, None)
        self.bytes -= sum(held.size for held in items or [])
        return items


def are_intact(items: Sequence[Held], origin: str, digest: str) -> bool:
    """Whether items are those that a transcript has up to a digest, and in the form that the model gets them."""
    return all(held.is_intact for held in items) and chain(origin, (held.stored for held in items)) == digest
