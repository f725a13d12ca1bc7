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
from typing import Any, NamedTuple

from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError

from perdure.blobs import BlobStore, load_item
from perdure.canonical import encode
from perdure.contracts.converter import data_converter
from perdure.contracts.frozen import carried_items
from perdure.contracts.run import PageEntry, PageRequest, ResponseView, RunInput, TranscriptPage
from perdure.contracts.sealing import unsealed
from perdure.contracts.steps import CALL_MODEL, CallModelInput, Cursor
from perdure.transcript import chain

from .attempts import Unavailable

_log = logging.getLogger("perdure")


class Conversations:
    """Conversations by the digest of their chain, at most `max_bytes` of them; the least recently used go first.

    A conversation is kept under its newest digest only. A repeated attempt finds it there; what has been superseded
    (a reset run goes on from an earlier point) is pulled from the run again.
    """

    def __init__(
        self,
        client: Client,
        blobs: BlobStore | None,
        max_bytes: int = 256 * 1024 * 1024,
        pull_timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        self._client = client
        self._pull_timeout = pull_timeout
        self._blobs = blobs
        self._max_bytes = max_bytes
        self._bytes = 0
        self._by_digest: OrderedDict[str, list[bytes]] = OrderedDict()

    async def items(
        self, workflow_id: str, run_id: str, cursor: Cursor, new: list[dict[str, Any]], path: str = ""
    ) -> Sequence[bytes]:
        """The conversation from the cursor's start up to its end, each item in the form that the model gets.

        Args:
            workflow_id: The run.
            run_id: Its execution.
            cursor: Which conversation.
            new: The items after the cursor's base, in stored form.
            path: Which agent as a tool it belongs to; empty for the run itself.

        Raises:
            Unavailable: `TranscriptUnavailable` if the run did not answer, `TranscriptMismatch` if what it
                answered is not what the cursor names; both are worth another attempt.
        """
        if cursor.start and cursor.start >= cursor.base_count:  # the provider keeps the rest: nothing is looked for
            stored = [encode(item) for item in new]
            if chain(cursor.base, stored) == cursor.digest:
                return [await self._load(item) for item in stored[cursor.start - cursor.base_count :]]
        return (await self._whole(workflow_id, run_id, cursor, new, path))[cursor.start :]

    async def _whole(
        self, workflow_id: str, run_id: str, cursor: Cursor, new: list[dict[str, Any]], path: str
    ) -> Sequence[bytes]:
        if cursor.digest not in self._by_digest:
            stored = [encode(item) for item in new]
            if chain(cursor.base, stored) != cursor.digest:
                _log.warning("run %s: new items do not hash to their digest; asking the run", workflow_id)
                self._remember(cursor.digest, await self._pull(workflow_id, run_id, cursor, path, whole=True))
            else:
                loaded = [await self._load(item) for item in stored]
                base = self._forget(cursor.base) if cursor.base_count else []
                if base is None:
                    base = await self._pull(workflow_id, run_id, cursor, path, whole=False)
                base.extend(loaded)
                self._remember(cursor.digest, base)
        self._by_digest.move_to_end(cursor.digest)
        return tuple(self._by_digest[cursor.digest])

    async def _pull(self, workflow_id: str, run_id: str, cursor: Cursor, path: str, *, whole: bool) -> list[bytes]:
        """The items up to the cursor, or to its base, asked of the run by pages and verified against the digest."""
        count, digest = (cursor.count, cursor.digest) if whole else (cursor.base_count, cursor.base)
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        try:
            wanted = PageRequest(path=path, epoch=cursor.epoch, upto=count)
            said = await ask_by_pages(handle, wanted, self._blobs, self._pull_timeout)
            stored = [encode(entry.item) for entry in said.entries]
        except RPCError as error:
            _log.warning("run %s does not tell its transcript (%s); reading its history", workflow_id, error)
            stored = (await _from_history(handle, path, cursor.epoch, self._blobs))[:count]
        if chain(cursor.origin, stored) != digest:
            raise Unavailable(
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


class Said(NamedTuple):
    """What a run told of a transcript: the items, in stored form, and the model's answers."""

    entries: list[PageEntry]
    responses: list[ResponseView]


async def ask_by_pages(
    handle: WorkflowHandle[Any, Any],
    wanted: PageRequest,
    blobs: BlobStore | None,
    answer_within: timedelta = timedelta(seconds=10),
) -> Said:
    """The items of a transcript from `wanted.start` up to `wanted.upto`, as the run itself tells them.

    Raises:
        Unavailable: `TranscriptUnavailable` if the run did not answer; worth another attempt.
        RPCError: No worker or server answered.
        UserError: A chunk of sealed items is missing or was changed.
    """
    said = Said([], [])
    upto = wanted.upto
    while upto is None or wanted.start + len(said.entries) < upto:
        place = wanted.start + len(said.entries)
        asked = wanted.model_copy(update={"start": place})
        try:
            page = await handle.query("transcript", asked, result_type=TranscriptPage, rpc_timeout=answer_within)
        except WorkflowQueryFailedError as error:
            text = f"The run did not tell its transcript: {error}"
            raise Unavailable(text, type="TranscriptUnavailable") from None
        page = await asyncio.to_thread(unsealed, page, blobs) if page.sealed else page
        known = {(each.agent, each.turn, each.first) for each in said.responses}
        said.responses.extend(each for each in page.responses if (each.agent, each.turn, each.first) not in known)
        said.entries.extend(page.entries[place - page.first :])
        if not page.entries or wanted.start + len(said.entries) >= page.count:
            break
    return said if upto is None else said._replace(entries=said.entries[: upto - wanted.start])


async def _from_history(
    handle: WorkflowHandle[Any, Any], path: str, epoch: int, blobs: BlobStore | None
) -> list[bytes]:
    """The items as the inputs of the run and of its model calls so far carried them; what none carried is missing.

    Raises:
        Unavailable: `TranscriptUnavailable` if the history cannot be read either.
    """
    stored: list[bytes] = []
    try:
        async for event in handle.fetch_history_events():
            scheduled = event.activity_task_scheduled_event_attributes
            started = event.workflow_execution_started_event_attributes
            if started.input.payloads:
                [run] = await data_converter.decode(started.input.payloads, [RunInput])
                stored = await asyncio.to_thread(_carried, run, path, epoch, blobs)
            if scheduled.activity_type.name == CALL_MODEL:
                [call] = await data_converter.decode(scheduled.input.payloads, [CallModelInput])
                if (call.path, call.cursor.epoch) == (path, epoch):
                    stored[call.cursor.base_count :] = [encode(item) for item in call.items]
    except RPCError as error:
        raise Unavailable(f"The history cannot be read: {error}", type="TranscriptUnavailable") from None
    return stored


def _carried(run: RunInput, path: str, epoch: int, blobs: BlobStore | None) -> list[bytes]:
    """The items of a transcript that an execution was given when it began."""
    if run.state is None:
        return []
    chunks, entries = carried_items(run.state, path, epoch)
    page = TranscriptPage(first=0, sealed=chunks, entries=[], responses=[], count=0, before="", digest="")
    return [*(encode(entry.item) for entry in unsealed(page, blobs).entries), *entries]
