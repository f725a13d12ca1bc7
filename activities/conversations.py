"""The conversation as a model call needs it: from memory where this worker made the last call, else from the run.

The cache is addressed by the chain's digest alone, and an entry enters only after its bytes have hashed to it. So a
worker never sends a conversation that the run does not have, whichever worker, attempt or deploy wrote the entry.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError

from perdure.blobs import BlobStore, load_item
from perdure.canonical import encode
from perdure.contracts.run import PageRequest, TranscriptPage
from perdure.contracts.steps import Cursor
from perdure.transcript import chain

_log = logging.getLogger("perdure")

_PULL_TIMEOUT = timedelta(seconds=10)


class Conversations:
    """Conversations by the digest of their chain, at most `max_bytes` of them; the least recently used go first.

    A conversation is kept under its newest digest only. A repeated attempt finds it there; what has been superseded
    (a reset run goes on from an earlier point) is pulled from the run again.
    """

    def __init__(self, client: Client, blobs: BlobStore | None, max_bytes: int = 256 * 1024 * 1024) -> None:
        self._client = client
        self._blobs = blobs
        self._max_bytes = max_bytes
        self._bytes = 0
        self._by_digest: OrderedDict[str, list[bytes]] = OrderedDict()

    async def items(self, workflow_id: str, run_id: str, cursor: Cursor, new: list[dict[str, Any]]) -> Sequence[bytes]:
        """The conversation up to the cursor, each item in the form that the model gets.

        Raises:
            ApplicationError: `TranscriptUnavailable` if the run did not answer, `TranscriptMismatch` if what it
                answered is not what the cursor names; both are worth another attempt.
        """
        if cursor.digest not in self._by_digest:
            stored = [encode(item) for item in new]
            if chain(cursor.base, stored) != cursor.digest:
                _log.warning("run %s: new items do not hash to their digest; asking the run", workflow_id)
                self._remember(cursor.digest, await self._pull(workflow_id, run_id, cursor, whole=True))
            else:
                loaded = [await self._load(item) for item in stored]
                base = self._forget(cursor.base) if cursor.base_count else []
                if base is None:
                    base = await self._pull(workflow_id, run_id, cursor, whole=False)
                base.extend(loaded)
                self._remember(cursor.digest, base)
        self._by_digest.move_to_end(cursor.digest)
        return tuple(self._by_digest[cursor.digest])

    async def _pull(self, workflow_id: str, run_id: str, cursor: Cursor, *, whole: bool) -> list[bytes]:
        """The items up to the cursor, or to its base, asked of the run by pages and verified against the digest."""
        count, digest = (cursor.count, cursor.digest) if whole else (cursor.base_count, cursor.base)
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        stored: list[bytes] = []
        while len(stored) < count:
            page = await _page(handle, len(stored), count)
            if not page.entries:
                break
            stored += [encode(entry.item) for entry in page.entries]
        if chain(cursor.origin, stored) != digest:
            raise ApplicationError(
                f"The run answered {len(stored)} of {count} items and they do not hash to {digest[:12]}….",
                type="TranscriptMismatch",
            )
        return [await self._load(item) for item in stored]

    async def _load(self, item: bytes) -> bytes:
        if b'"perdure_blob"' not in item:
            return item
        return await asyncio.to_thread(load_item, item, self._blobs)

    def _remember(self, digest: str, items: list[bytes]) -> None:
        self._forget(digest)
        self._by_digest[digest] = items
        self._bytes += sum(map(len, items))
        while self._bytes > self._max_bytes and len(self._by_digest) > 1:
            self._forget(next(iter(self._by_digest)))

    def _forget(self, digest: str) -> list[bytes] | None:
        items = self._by_digest.pop(digest, None)
        self._bytes -= sum(map(len, items or []))
        return items


async def _page(handle: WorkflowHandle[Any, Any], start: int, upto: int) -> TranscriptPage:
    try:
        return await handle.query(
            "transcript", PageRequest(start=start, upto=upto), result_type=TranscriptPage, rpc_timeout=_PULL_TIMEOUT
        )
    except Exception as error:  # whatever the reason, the conversation is not there and another attempt may get it
        raise ApplicationError(f"The run did not tell its transcript: {error}", type="TranscriptUnavailable") from error
