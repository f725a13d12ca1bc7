"""Seals the older part of a transcript: writes it to the blob store, so that the run can forget it."""

from __future__ import annotations

import asyncio

from temporalio import activity
from temporalio.client import Client

from perdure.blobs import BlobStore
from perdure.contracts.run import PageRequest
from perdure.contracts.sealing import SEAL_TRANSCRIPT, SealInput, SealOutput, seal
from perdure.failpoints import reach

from .attempts import heartbeats
from .conversations import ask_by_pages


class SealTranscript:
    """Seals transcripts of the runs that ask for it."""

    def __init__(self, client: Client, blobs: BlobStore | None) -> None:
        self._client = client
        self._blobs = blobs

    @activity.defn(name=SEAL_TRANSCRIPT)
    async def seal_transcript(self, asked: SealInput) -> SealOutput:
        """Asks the run for the items and writes them; without a blob store nothing is sealed."""
        if self._blobs is None:
            return SealOutput()
        info = activity.info()
        handle = self._client.get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id)
        wanted = PageRequest(path=asked.path, epoch=asked.epoch, start=asked.start, upto=asked.upto)
        async with heartbeats():
            said = await ask_by_pages(handle, wanted, self._blobs)
            write = (seal, said.entries, said.responses, asked.start, asked.before, self._blobs)
            reach("seal begins")
            chunks = await asyncio.to_thread(*write)
            reach("seal ended")
            return SealOutput(chunks=chunks)
