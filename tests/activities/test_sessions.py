"""The steps about a session: what is combined, what is told again after a lost attempt, and which errors pass."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.sessions import Sessions
from activities.written_items import digests_of, is_written
from perdure import Agent, SessionUnavailable, SQLiteSession, UserError
from perdure.session import takes_keys
from perdure.session_input import combine, session_items, without_reasoning_ids
from tests.activities.workbench import Workbench


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


class Given:
    """A session with these items."""

    def __init__(self, *texts: str) -> None:
        self.items = [said(text) for text in texts]

    async def get_items(self, limit: int | None = None) -> list[Any]:
        return self.items[-limit:] if limit else list(self.items)


LAST = digests_of([said("a"), said("b")])


@pytest.mark.parametrize(
    ("now", "there"),
    [
        (["a", "b"], False),
        (["a", "b", "x", "y"], True),
        (["a", "b", "x"], False),
        (["a", "b", "other", "x", "y", "another"], True),
        (["x", "y", "a", "b"], False),  # the same words, said before
        (["a", "b", "x", "other", "y"], False),
        ([], False),
        (["x", "y"], True),  # what was there before is gone
    ],
)
async def test_a_write_is_known_again_by_what_came_before_it(now: list[str], there: bool) -> None:
    assert await is_written(Given(*now), [said("x"), said("y")], LAST) is there


async def test_the_first_write_of_an_empty_session_is_known_again() -> None:
    assert not await is_written(Given(), [said("x")], [])
    assert await is_written(Given("x"), [said("x")], [])


async def test_what_others_have_added_does_not_hide_a_write() -> None:
    others = [f"other {number}" for number in range(150)]
    assert await is_written(Given("a", "b", "x", "y", *others), [said("x"), said("y")], LAST)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (SessionUnavailable("down"), True),
        (ConnectionResetError("reset"), True),
        (TimeoutError(), True),
        (socket.gaierror("no such host"), True),
        (OSError(errno.ENOSPC, "no space left"), True),
        (FileNotFoundError("missing"), False),
        (PermissionError("denied"), False),
        (UserError("other tables"), False),
        (ValueError("a defect"), False),
    ],
)
async def test_a_store_that_is_out_of_reach_is_asked_again(error: Exception, passes: bool) -> None:
    sessions = Sessions(Workbench(Agent(name="A")).around)
    told = ActivityEnvironment().run(sessions.judge, error)
    assert told.non_retryable is not passes
    assert told.type == ("SessionUnavailable" if passes else type(error).__name__)


@pytest.mark.parametrize("given", [None, "text", 5, {"role": "user"}, (said("a"),), [1], [None], [[said("a")]]])
def test_what_is_no_list_of_items_is_refused(given: Any) -> None:
    with pytest.raises(UserError, match=r"get_items must return a list|of the session's history"):
        session_items(given)


def test_reasoning_goes_without_its_id() -> None:
    items = [{"type": "reasoning", "id": "rs_1", "summary": []}, {"type": "message", "id": "msg_1"}]
    assert without_reasoning_ids(items) == [{"type": "reasoning", "summary": []}, {"type": "message", "id": "msg_1"}]


class Shouting(SQLiteSession):
    """A session that changes what it is told, in the way of the Agents SDK."""

    async def add_items(self, items: list[Any]) -> None:
        await super().add_items([{**item, "content": item["content"].upper()} for item in items])


class ShoutingOnce(Shouting):
    """The same, with keys."""

    async def add_items_once(self, items: list[Any], key: str) -> None:
        await super().add_items_once([{**item, "content": item["content"].upper()} for item in items], key)


def test_a_subclass_that_adds_items_in_its_own_way_is_told_in_that_way() -> None:
    assert takes_keys(SQLiteSession("chat"))
    assert not takes_keys(Shouting("chat"))
    assert takes_keys(ShoutingOnce("chat"))
    assert not takes_keys(Given())


async def test_a_callback_gets_copies() -> None:
    history, given = [said("a")], [said("b")]

    def change(old: list[Any], new: list[Any]) -> list[Any]:
        old[0]["content"] = new[0]["content"] = "changed"
        return [*old, *new]

    combined = await combine(history, given, change, has_limit=False)
    assert (history, given) == ([said("a")], [said("b")])
    assert combined.items == [said("changed"), said("changed")]
    assert combined.new == [said("changed")]


async def test_an_item_equal_to_one_of_the_history_is_old_as_often_as_it_stands_there() -> None:
    combined = await combine([said("a")], [], lambda old, new: [said("a"), said("a"), said("b")], has_limit=False)
    assert combined.new == [said("a"), said("b")]
