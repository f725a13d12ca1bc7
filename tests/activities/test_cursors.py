"""A conversation is brought from where it is: what travels, what the run tells, what its history has."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.conversations import Conversations
from perdure.canonical import encode
from perdure.contracts.converter import data_converter
from perdure.contracts.run import PageEntry, PageRequest, TranscriptPage
from perdure.contracts.steps import CALL_MODEL, CallModelInput, Cursor
from tests.activities.workbench import RUN_ID, ToldRun, cursor_of, user

ITEMS = [user("one"), user("two"), user("three")]


def told() -> ToldRun:
    return ToldRun([PageEntry(item=item, kind="input", agent="A", turn=0) for item in ITEMS])


async def items_of(run: ToldRun, cursor: Cursor, new: list[dict[str, Any]], path: str = "") -> list[str]:
    conversations = Conversations(cast("Client", run), None)
    items = await conversations.items(RUN_ID, "execution", cursor, new, path)
    return [json.loads(item)["content"] for item in items]


async def test_a_run_is_asked_for_the_conversation_of_that_agent_and_that_edit() -> None:
    run = told()
    cursor, new = cursor_of(ITEMS, base=2)
    assert await items_of(run, cursor.model_copy(update={"epoch": 3}), new, "2.0") == ["one", "two", "three"]
    assert run.asked == [PageRequest(path="2.0", epoch=3, upto=2)]


async def test_where_the_start_travels_nothing_is_asked() -> None:
    run = told()
    cursor, new = cursor_of(ITEMS, base=1, start=2)
    assert await items_of(run, cursor, new) == ["three"]
    assert run.asked == []


async def test_a_start_before_the_base_gives_the_rest_of_the_whole() -> None:
    run = told()
    cursor, new = cursor_of(ITEMS, base=2, start=1)
    assert await items_of(run, cursor, new) == ["two", "three"]
    assert len(run.asked) == 1


async def test_a_conversation_is_kept_with_the_size_that_it_has_grown_to() -> None:
    run, other = told(), user("another conversation")
    room_for_one = len(encode(ITEMS[0])) + len(encode(other))
    conversations = Conversations(cast("Client", run), None, max_bytes=room_for_one)
    for count in (1, 2):
        await conversations.items(RUN_ID, "execution", *cursor_of(ITEMS[:count], base=count - 1))
    assert run.asked == []
    await conversations.items(RUN_ID, "other", *cursor_of([other]))
    await conversations.items(RUN_ID, "execution", *cursor_of(ITEMS, base=2))
    assert run.asked == [PageRequest(upto=2, epoch=0)]


class SilentRun(ToldRun):
    """A run that only its history tells of: with an agent as a tool and an edited conversation."""

    async def query(self, name: str, *, args: Sequence[Any], **_: Any) -> TranscriptPage:
        raise RPCError("nobody answers", RPCStatusCode.DEADLINE_EXCEEDED, b"")

    async def fetch_history_events(self) -> AsyncIterator[HistoryEvent]:
        for path, epoch, said in (("", 0, "outer"), ("2.0", 1, "inner"), ("2.0", 2, "edited"), ("", 0, "outer")):
            cursor, items = cursor_of([user(said)])
            step: dict[str, Any] = {"root": "A", "agent": "A", "definition": "d", "path": path, "items": items}
            call = CallModelInput(**step, cursor=cursor.model_copy(update={"epoch": epoch}))
            event = HistoryEvent()
            scheduled = event.activity_task_scheduled_event_attributes
            scheduled.activity_type.name = CALL_MODEL
            scheduled.input.payloads.append(data_converter.payload_converter.to_payload(call))
            yield event


async def test_a_history_is_read_for_that_agent_and_that_edit_alone() -> None:
    cursor, _ = cursor_of([user("edited"), user("new")], base=1)
    cursor = cursor.model_copy(update={"epoch": 2})
    assert await items_of(SilentRun(), cursor, [user("new")], "2.0") == ["edited", "new"]


async def test_a_run_that_tells_another_conversation_is_not_believed() -> None:
    cursor, new = cursor_of([user("mine"), user("new")], base=1)
    with pytest.raises(ApplicationError, match="do not hash to") as raised:
        await items_of(told(), cursor, new)
    assert not raised.value.non_retryable
