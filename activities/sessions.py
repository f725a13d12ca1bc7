"""Reads the sessions of runs, and tells them what is new."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import socket
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from perdure.blobs import load_item, store_item
from perdure.canonical import canonical
from perdure.contracts.run import PageEntry
from perdure.contracts.sealing import seal_but_tail
from perdure.contracts.sessions import ReadSessionInput, ReadSessionOutput, WriteSessionInput, WriteSessionOutput
from perdure.definition import SessionDefinition
from perdure.errors import BlobUnavailable, SessionUnavailable, UserError, describe_exception
from perdure.failpoints import reach
from perdure.limits import MAX_RESULT_BYTES, MAX_TAIL_BYTES
from perdure.served_sessions import find_session
from perdure.session import said, takes_keys
from perdure.session_input import combine, session_items, without_reasoning_ids

from .attempts import final_error, passing_error, without_blob
from .surroundings import Surroundings
from .written_items import digests_of, is_written, newest

_log = logging.getLogger("perdure")

_MOST_BYTES = MAX_RESULT_BYTES - MAX_TAIL_BYTES  # the rest is for what of it is new, and for the wrapping
_OUT_OF_REACH = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT, errno.ENOSPC)


class Sessions:
    """Does the steps `session.read` and `session.write`."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    async def read(self, asked: ReadSessionInput) -> ReadSessionOutput:
        """The history and the run's input, combined as the run's configuration says.

        Raises:
            UserError: The session gives something else than items, or more than can travel.
        """
        given = [json.loads(item) for item in await self._around.conversation(asked, asked.cursor, asked.items)]
        config = self._around.member(asked).config
        limit = asked.session.limit

        async def ask() -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
            session = self._session(asked, asked.session)
            given_back = session.get_items() if limit is None else session.get_items(limit=limit)
            history = session_items(await said(given_back))
            last = digests_of(history)
            if asked.omit_reasoning_ids:
                history = without_reasoning_ids(history)
            combined = await combine(history, given, config.session_input_callback, has_limit=limit is not None)
            return combined.items, combined.new, last

        items, new, last = await self._around.on_user_loop(ask)
        return await asyncio.to_thread(self._packed, asked, items, new, last)

    def _packed(
        self, asked: ReadSessionInput, items: list[dict[str, Any]], new: list[dict[str, Any]], last: list[str]
    ) -> ReadSessionOutput:
        blobs = self._around.blobs
        entries = [PageEntry(item=store_item(item, blobs), kind="input", agent=asked.agent, turn=0) for item in items]
        chunks = []
        size = sum(len(canonical(entry.item)) for entry in entries)
        if size > MAX_TAIL_BYTES and blobs is not None:
            chunks, entries = seal_but_tail(entries, (), asked.origin, blobs, MAX_TAIL_BYTES)
        elif size > _MOST_BYTES:
            raise UserError(
                f"The history of session {asked.session.session_id!r} and the input take {size} bytes; without a blob "
                f"store {_MOST_BYTES} can travel. Read less of it, with SessionSettings(limit=...), or set "
                "PERDURE_BLOBS to a directory that clients and workers share."
            )
        stored = [store_item(item, blobs) for item in new]
        return ReadSessionOutput(chunks=chunks, entries=entries, new=stored, last=last)

    async def write(self, asked: WriteSessionInput) -> WriteSessionOutput:
        """Tells the session once, however often it is asked to; see `docs/sessions.md` for what is promised."""
        items = await asyncio.to_thread(self._loaded, asked.items)
        items = without_reasoning_ids(items) if asked.omit_reasoning_ids else items

        may_be_there = asked.again or activity.info().attempt > 1

        async def tell() -> None:
            session = self._session(asked, asked.session)
            if takes_keys(session):
                await session.add_items_once(items, asked.key)
            elif not may_be_there or not await is_written(session, items, asked.last):
                await said(session.add_items(items))

        reach("session write begins")
        await self._around.on_user_loop(tell)
        reach("session write ended")
        return WriteSessionOutput(last=newest([*asked.last, *digests_of(items)]))

    def _loaded(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        try:
            return [json.loads(load_item(canonical(item), self._around.blobs)) for item in items]
        except BlobUnavailable as error:
            raise without_blob(error) from None

    def _session(self, asked: ReadSessionInput | WriteSessionInput, definition: SessionDefinition) -> Any:
        around = self._around
        return find_session(around.served, around.run_id, asked.root, asked.opened_by, definition)

    def judge(self, error: BaseException) -> ApplicationError:
        """A store that is down is asked again; any other error of a session ends the run."""
        if not _is_out_of_reach(error):
            return final_error(self._around.served, error)
        said = describe_exception(error)
        return passing_error(error, type=SessionUnavailable.__name__, message=said["message"])


def _is_out_of_reach(error: BaseException) -> bool:
    if isinstance(error, SessionUnavailable | ConnectionError | TimeoutError | socket.gaierror):
        return True
    return isinstance(error, OSError) and error.errno in _OUT_OF_REACH
