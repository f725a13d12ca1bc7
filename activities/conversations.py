"""The conversation as a model call needs it: from memory where this worker made the last call, else from the run.

The cache is addressed by the chain's digest alone; an entry enters only after its bytes have hashed to it, and is
hashed once more before it is sent. So a worker never sends a conversation that the run does not have, whichever worker,
attempt or deploy wrote the entry.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError
from temporalio.converter import DataConverter, WorkflowSerializationContext
from temporalio.service import RPCError

from perdure.blobs import BlobStore, load_item
from perdure.canonical import encode
from perdure.contracts.frozen import carried_items
from perdure.contracts.run import PageEntry, PageRequest, ResponseView, RunInput, TranscriptPage
from perdure.contracts.sealing import unsealed
from perdure.contracts.steps import CALL_MODEL, CallModelInput, Cursor
from perdure.failpoints import reach
from perdure.transcript import chain

from . import cache_metrics as metrics
from .asking import ANSWER_WITHIN, ask
from .attempts import Unavailable
from .conversation_cache import ConversationCache, Held, are_intact

_log = logging.getLogger("perdure")

_AT_ONCE_BYTES = 1024 * 1024  # hashed faster (about 3 ms) than the worker's loop would miss the time


class Conversations:
    """Brings conversations, from this worker's memory or from the runs.

    Args:
        client: Reaches the runs.
        blobs: Where large items lie.
        max_bytes: How much is kept in memory.
        pull_timeout: How long a run may take to answer before its history is read.
    """

    def __init__(
        self,
        client: Client,
        blobs: BlobStore | None,
        max_bytes: int = 256 * 1024 * 1024,
        pull_timeout: timedelta = ANSWER_WITHIN,
    ) -> None:
        self._client = client
        self._pull_timeout = pull_timeout
        self._blobs = blobs
        self.cache = ConversationCache(max_bytes)

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
        stored = [encode(item) for item in new]
        fits = chain(cursor.base, stored) == cursor.digest
        if fits and cursor.start and cursor.start >= cursor.base_count:  # the provider keeps the rest
            return [held.item for held in await self._loaded(stored[cursor.start - cursor.base_count :])]
        if not fits:
            _log.warning("run %s: new items do not hash to their digest; asking the run", workflow_id)
        known = await self._known(cursor.origin, cursor.digest)
        if known is None:
            new_items = await self._loaded(stored) if fits else []
            count, digest = (cursor.base_count, cursor.base) if fits else (cursor.count, cursor.digest)
            known = await self._known(cursor.origin, digest) if count else []
            if known is None:
                handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
                known = await self._pull(handle, cursor, path, count, digest)
            elif count:
                metrics.hit()
            known = [*known, *new_items]
            self.cache.take(cursor.base)
        else:
            metrics.hit()
        self.cache.put(cursor.digest, known)
        metrics.kept(self.cache.bytes)
        return [held.item for held in known[cursor.start :]]

    async def _known(self, origin: str, digest: str) -> list[Held] | None:
        """What this worker has kept under a digest, hashed once more: what is not what it was is not believed."""
        known = self.cache.get(digest)
        if known is None:
            return None
        if sum(held.size for held in known) > _AT_ONCE_BYTES:
            intact = await asyncio.to_thread(are_intact, known, origin, digest)
        else:
            intact = are_intact(known, origin, digest)
        if not intact:
            _log.error("a conversation in memory does not hash to %s… any more; asking the run", digest[:12])
            self.cache.take(digest)
        return known if intact else None

    async def _pull(
        self, handle: WorkflowHandle[Any, Any], cursor: Cursor, path: str, count: int, digest: str
    ) -> list[Held]:
        """The first items, as many as `count`, asked of the run by pages and verified against their digest."""
        reach("pull begins")
        try:
            wanted = PageRequest(path=path, epoch=cursor.epoch, upto=count)
            said = await ask_by_pages(handle, wanted, self._blobs, self._pull_timeout)
            stored = [encode(entry.item) for entry in said.entries]
        except RPCError as error:
            _log.warning("run %s does not tell its transcript (%s); reading its history", handle.id, error)
            place = WorkflowSerializationContext(self._client.namespace, handle.id)
            converter = self._client.data_converter.with_context(place)
            stored = (await _from_history(handle, converter, path, cursor.epoch, self._blobs))[:count]
        if chain(cursor.origin, stored) != digest:
            raise Unavailable(
                f"The run answered {len(stored)} of {count} items and they do not hash to {digest[:12]}….",
                type="TranscriptMismatch",
            )
        reach("pull ended")
        pulled = await self._loaded(stored)
        metrics.miss(sum(held.size for held in pulled))
        return pulled

    async def _loaded(self, stored: list[bytes]) -> list[Held]:
        """Items with those that lie in the blob store in full."""
        return [await self._load(item) if b'"perdure_blob"' in item else Held(item, item) for item in stored]

    async def _load(self, stored: bytes) -> Held:
        return await asyncio.to_thread(_held, stored, self._blobs)


def _held(stored: bytes, blobs: BlobStore | None) -> Held:
    item = load_item(stored, blobs)
    return Held(stored, item, "" if item is stored else hashlib.sha256(item).hexdigest())


class Said(NamedTuple):
    """What a run told of a transcript: the items, in stored form, the model's answers, and a thread's input so far."""

    entries: list[PageEntry]
    responses: list[ResponseView]
    given: int = 0


async def ask_by_pages(
    handle: WorkflowHandle[Any, Any],
    wanted: PageRequest,
    blobs: BlobStore | None,
    answer_within: timedelta = ANSWER_WITHIN,
) -> Said:
    """The items of a transcript from `wanted.start` up to `wanted.upto`, as the run itself tells them.

    Raises:
        Unavailable: `TranscriptUnavailable` if the run did not answer; worth another attempt.
        RPCError: No worker or server answered.
        BlobUnavailable: A chunk of sealed items is missing or was changed.
    """
    said = Said([], [])
    upto = wanted.upto
    while upto is None or wanted.start + len(said.entries) < upto:
        place = wanted.start + len(said.entries)
        asked = wanted.model_copy(update={"start": place})
        try:
            page = await ask(handle, "transcript", TranscriptPage, asked, within=answer_within)
        except WorkflowQueryFailedError as error:
            text = f"The run did not tell its transcript: {error}"
            raise Unavailable(text, type="TranscriptUnavailable") from None
        page = await asyncio.to_thread(unsealed, page, blobs) if page.sealed else page
        known = {(each.agent, each.turn, each.first) for each in said.responses}
        said.responses.extend(each for each in page.responses if (each.agent, each.turn, each.first) not in known)
        said.entries.extend(page.entries[place - page.first :])
        said = said._replace(given=page.given)
        if not page.entries or wanted.start + len(said.entries) >= page.count:
            break
    return said if upto is None else said._replace(entries=said.entries[: upto - wanted.start])


async def _from_history(
    handle: WorkflowHandle[Any, Any], converter: DataConverter, path: str, epoch: int, blobs: BlobStore | None
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
                [run] = await converter.decode(started.input.payloads, [RunInput])
                stored = await asyncio.to_thread(_carried, run, path, epoch, blobs)
            if scheduled.activity_type.name == CALL_MODEL:
                [call] = await converter.decode(scheduled.input.payloads, [CallModelInput])
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
