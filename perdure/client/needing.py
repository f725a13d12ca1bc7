"""Which blobs the runs of a namespace need: found in their histories, whatever it is in them that names a blob.

Every text of 64 hexadecimal digits that is a blob's name counts as a need, in any payload and in every blob that is
needed itself. So a reference of a kind that is not known here is honoured, too.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from perdure.compression import expanded
from perdure.encryption import ENCRYPTED, Place, decrypted, lacks_key, reason
from perdure.errors import BlobUnavailable, UserError
from perdure.kept_blobs import KeptBlobs
from perdure.keyring import keyring

Tell: TypeAlias = Callable[[str], None]

_AT_ONCE = 8  # histories that are read at once
_HEX = re.compile(rb"[0-9a-f]{64,}")
_DIGEST_CHARACTERS = 64
_CHUNK = re.compile(rb'"sha256":"([0-9a-f]{64})","count":')
# What `expanded` cannot expand is nobody's of ours, and marked as rejected: no run reads it.
_READABLE = {
    b"",
    b"json/plain",
    b"json/protobuf",
    b"binary/null",
    b"binary/plain",
    b"binary/protobuf",
    b"binary/rejected",
}


@dataclass
class Needs:
    """Which blobs are needed.

    Attributes:
        there: The blobs that may be.
        needed: Those of them that are.
        lacking: Sealed chunks that are not there, with the run that needs them: what they named is unknown.
    """

    there: set[str]
    needed: set[str] = field(default_factory=set[str])
    lacking: dict[str, str] = field(default_factory=dict[str, str])

    def note(self, data: bytes) -> set[str]:
        """Notes what some bytes name; gives what was not known to be needed."""
        new = {name for name in _digests(data) if name in self.there} - self.needed
        self.needed |= new
        return new

    def note_chunks(self, run_id: str, data: bytes, blobs: KeptBlobs) -> None:
        """Notes the sealed chunks that some bytes name and that are not there."""
        for found in _CHUNK.findall(data):
            digest = found.decode()
            if digest not in self.there and not blobs.has(digest):
                self.lacking[digest] = run_id

    def refuse_gaps(self) -> None:
        """Refuses to go on where not all needs are known.

        Raises:
            BlobUnavailable: A chunk is missing.
        """
        for digest, run_id in self.lacking.items():
            raise BlobUnavailable(
                f"Run {run_id!r} needs the blob {digest}, which is missing, so it is unknown what that needs in turn. "
                f"Restore it, or delete the run (`perdure delete`)."
            )


async def needs_of_all(client: Client, blobs: KeptBlobs, *, without: Set[str] = frozenset(), tell: Tell) -> Needs:
    """What the workflows of the namespace need of what is in the store now, running or ended.

    Args:
        client: Reaches the namespace.
        blobs: The store.
        without: Ids of workflows that do not count.
        tell: Is told now and then how far it has come.

    Raises:
        UserError: A history cannot be read, or a blob that is needed is not what it was.
    """
    reading = await _Reading.begun(client, blobs, tell)
    for _ in range(2):  # what has come or moved in the list meanwhile is read, too
        await reading.read([each async for each in client.list_workflows() if each.id not in without])
    await asyncio.to_thread(follow, reading.needs, blobs)
    reading.needs.refuse_gaps()
    return reading.needs


async def needs_of(client: Client, blobs: KeptBlobs, executions: Iterable[WorkflowExecution]) -> Needs:
    """What some executions need; where one of their blobs is missing or was changed, what it named is left out.

    Raises:
        UserError: A history cannot be read.
    """
    reading = await _Reading.begun(client, blobs, lambda text: None)
    await reading.read(executions)
    await asyncio.to_thread(follow, reading.needs, blobs, strict=False)
    return reading.needs


@dataclass
class _Reading:
    """Reads histories, each once, several at a time."""

    client: Client
    blobs: KeptBlobs
    tell: Tell
    needs: Needs
    seen: set[str] = field(default_factory=set[str])

    @classmethod
    async def begun(cls, client: Client, blobs: KeptBlobs, tell: Tell) -> _Reading:
        there = await asyncio.to_thread(lambda: {blob.digest for blob in blobs.stored()})
        return cls(client, blobs, tell, Needs(there))

    async def read(self, executions: Iterable[WorkflowExecution]) -> None:
        turns = asyncio.Semaphore(_AT_ONCE)
        try:
            async with asyncio.TaskGroup() as group:
                for execution in executions:
                    if execution.run_id not in self.seen:
                        self.seen.add(execution.run_id)
                        group.create_task(self._read(execution, turns))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _read(self, execution: WorkflowExecution, turns: asyncio.Semaphore) -> None:
        handle = self.client.get_workflow_handle(execution.id, run_id=execution.run_id)
        async with turns:
            try:
                async for event in handle.fetch_history_events():
                    self._note(execution, event)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:  # it was deleted meanwhile
                    raise UserError(f"The history of {execution.id!r} cannot be read: {error.message}.") from error
        self.tell(f"{len(self.seen)} histories read")

    def _note(self, execution: WorkflowExecution, event: Message) -> None:
        for payload in payloads_of(event):
            data = readable(payload, Place(self.client.namespace, execution.id))
            self.needs.note(data)
            if execution.workflow_type == "AgentRun":
                self.needs.note_chunks(execution.id, data, self.blobs)


def readable(payload: Payload, place: Place) -> bytes:
    """The bytes of a payload as they were before they were compressed and encrypted.

    Raises:
        UserError: They are encoded in a way that is not known here, so that they may name anything.
    """
    workflow_id = place.workflow_id
    if payload.metadata.get("encoding") == ENCRYPTED:  # what is not was perhaps so while encryption was turned on
        payload = decrypted(payload, keyring(), (place.label, Place(place.namespace).label))
    if lacks_key(payload):
        raise UserError(
            f"The history of {workflow_id!r} holds a payload that {reason(payload)}, so it is unknown which blobs it "
            "needs. Add the key, as long as there is a history that has it."
        )
    plain = expanded(payload)
    encoding = plain.metadata.get("encoding", b"")
    if encoding not in _READABLE:
        raise UserError(
            f"The history of {workflow_id!r} holds a payload with encoding {encoding.decode(errors='replace')!r}, "
            "which cannot be read here, so it is unknown which blobs it needs."
        )
    return plain.data


def follow(needs: Needs, blobs: KeptBlobs, *, strict: bool = True) -> None:
    """Notes what the needed blobs name in turn.

    Raises:
        BlobUnavailable: One of them is not what it was, and `strict`.
    """
    ahead = list(needs.needed)
    while ahead:
        try:
            ahead += needs.note(blobs.get(ahead.pop()))
        except BlobUnavailable:
            if strict:
                raise


def payloads_of(message: Message) -> Iterator[Payload]:
    """All payloads in a message of Temporal's."""
    if isinstance(message, Payload):
        yield message
        return
    for described, value in message.ListFields():
        if described.message_type is not None:
            for each in _messages(value):
                yield from payloads_of(each)


def _messages(value: Any) -> Iterator[Message]:
    """The messages in a field: one, a list of them, or a mapping to them or to plain values."""
    if isinstance(value, Message):
        yield value
        return
    values = cast("Iterable[Any]", value.values() if hasattr(value, "values") else value)
    yield from (each for each in values if isinstance(each, Message))


def _digests(data: bytes) -> Iterator[str]:
    """All texts of 64 hexadecimal digits, also those within longer ones."""
    for found in _HEX.findall(data):
        for start in range(len(found) - _DIGEST_CHARACTERS + 1):
            yield found[start : start + _DIGEST_CHARACTERS].decode()
