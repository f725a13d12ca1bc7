"""SQLiteSession and SQLAlchemySession: the same rules, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import agents
import pytest
from agents.extensions.memory import SQLAlchemySession as SdkSQLAlchemySession
from sqlalchemy import text
from sqlalchemy.pool import NullPool

from perdure import SessionSettings, SessionUnavailable, SQLiteSession, UserError
from perdure.extensions.memory import SQLAlchemySession
from perdure.served import AgentNotServed
from perdure.served_sessions import open_store
from tests.postgres import Postgres, postgres_or_skip

Open = Callable[..., Any]

NUMBERS = itertools.count()


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def contents(items: list[dict[str, Any]]) -> list[str]:
    return [item["content"] for item in items]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = postgres_or_skip()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "sqlite in memory", "sqlalchemy on sqlite", "sqlalchemy on postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens a session by its id; the same id leads to the same store, but in memory."""
    prefix = f"{next(NUMBERS)}-"
    if request.param == "sqlalchemy on postgresql":
        url = request.getfixturevalue("postgres").url
    else:
        url = f"sqlite+aiosqlite:///{tmp_path / 'alchemy.db'}"

    def opening(session_id: str = "chat", **options: Any) -> Any:
        if request.param == "sqlite":
            return SQLiteSession(prefix + session_id, tmp_path / "plain.db", **options)
        if request.param == "sqlite in memory":
            return SQLiteSession(prefix + session_id, **options)
        kwargs = {"poolclass": NullPool}
        return SQLAlchemySession.from_url(
            prefix + session_id, url=url, create_tables=True, engine_kwargs=kwargs, **options
        )

    return opening


async def test_items_come_back_as_they_were_added(opened: Open) -> None:
    session = opened()
    assert await session.get_items() == []
    items = [said("ä ☃ 'quoted'"), {"type": "function_call", "call_id": "c", "name": "t", "arguments": '{"x": 1}'}]
    await session.add_items(items)
    await session.add_items([])
    await session.add_items([said("b")])
    assert await session.get_items() == [*items, said("b")]


async def test_the_last_items_are_read_by_a_limit(opened: Open) -> None:
    session = opened(session_settings=SessionSettings(limit=2))
    await session.add_items([said(name) for name in "abcd"])
    assert contents(await session.get_items()) == ["c", "d"]
    assert contents(await session.get_items(limit=3)) == ["b", "c", "d"]
    assert contents(await session.get_items(limit=9)) == ["a", "b", "c", "d"]
    assert await session.get_items(limit=0) == []


async def test_the_last_of_a_thousand_turns_are_read(opened: Open) -> None:
    session = opened()
    for start in range(0, 1000, 100):
        await session.add_items([said(f"{turn} {part}") for turn in range(start, start + 100) for part in "ab"])
    assert contents(await session.get_items(limit=3)) == ["998 b", "999 a", "999 b"]
    assert len(await session.get_items()) == 2000


async def test_the_last_item_is_taken_out(opened: Open) -> None:
    session = opened()
    assert await session.pop_item() is None
    await session.add_items([said("a"), said("b")])
    assert await session.pop_item() == said("b")
    assert contents(await session.get_items()) == ["a"]


async def test_sessions_of_one_store_do_not_mix(opened: Open) -> None:
    one, other = opened("one"), opened("other")
    await one.add_items([said("a")])
    await other.add_items([said("b")])
    await one.clear_session()
    assert await one.get_items() == []
    assert contents(await other.get_items()) == ["b"]


async def test_a_write_with_a_key_is_made_once(opened: Open) -> None:
    session = opened()
    for key in ("run.0", "run.0", "run.1", "run.0"):
        await session.add_items_once([said("a")], key)
    assert contents(await session.get_items()) == ["a", "a"]


async def test_two_attempts_at_once_make_one_write(opened: Open) -> None:
    session = opened()
    await session.get_items()
    await asyncio.gather(*(session.add_items_once([said("a"), said("b")], "run.0") for _ in range(8)))
    assert contents(await session.get_items()) == ["a", "b"]


async def test_what_writers_add_at_once_stays_together(opened: Open) -> None:
    session = opened()
    await session.get_items()
    await asyncio.gather(*(session.add_items([said(f"{place}{part}") for part in "abc"]) for place in range(8)))
    found = contents(await session.get_items())
    assert sorted(found) == [f"{place}{part}" for place in range(8) for part in "abc"]
    assert all(found[place][0] == found[place + 2][0] for place in range(0, 24, 3))


async def test_a_write_that_fails_leaves_nothing_and_may_be_made_again(opened: Open) -> None:
    session = opened()
    with pytest.raises(TypeError):
        await session.add_items_once([said("a"), {"role": object()}], "run.0")
    assert await session.get_items() == []
    await session.add_items_once([said("a")], "run.0")
    assert contents(await session.get_items()) == ["a"]


@pytest.mark.parametrize("name", ["drop table x", "a-b", "", 'x"'])
def test_a_table_has_a_plain_name(name: str) -> None:
    with pytest.raises(UserError, match="no name for a table"):
        SQLiteSession("chat", messages_table=name)


@pytest.mark.parametrize("settings", [{"limit": -1}, {"limit": "3"}, {"limit": True}, {"most": 3}, 5])
def test_a_limit_is_a_number_from_zero_on(settings: Any) -> None:
    with pytest.raises(UserError, match="session_settings is"):
        SQLiteSession("chat", session_settings=settings)


# One store each


async def test_a_row_that_is_no_item_is_none(tmp_path: Path) -> None:
    session = SQLiteSession("chat", tmp_path / "a.db")
    await session.add_items([said("a"), said("b")])
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("UPDATE agent_messages SET message_data = '{bad' WHERE id = 2")
    assert contents(await session.get_items()) == ["a"]
    assert await session.pop_item() == said("a")
    assert await session.pop_item() is None


async def test_a_locked_database_counts_as_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perdure.sqlite_session._PATIENCE_SECONDS", 0.05)
    session = SQLiteSession("chat", tmp_path / "a.db")
    await session.add_items([said("a")])
    holder = sqlite3.connect(tmp_path / "a.db")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(SessionUnavailable, match="locked"):
        await session.add_items([said("b")])
    holder.rollback()
    await session.add_items([said("c")])
    assert contents(await session.get_items()) == ["a", "c"]


async def test_a_folder_that_is_not_there_counts_as_down(tmp_path: Path) -> None:
    session = SQLiteSession("chat", tmp_path / "missing" / "a.db")
    with pytest.raises(SessionUnavailable, match="unable to open"):
        await session.get_items()
    (tmp_path / "missing").mkdir()
    assert await session.get_items() == []


async def test_tables_of_another_schema_are_named_with_what_to_do(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("CREATE TABLE agent_messages (id INTEGER PRIMARY KEY, words TEXT)")
    found = "table 'agent_messages' without the column 'session_id', which the session needs; it has id, words"
    with pytest.raises(UserError, match=found) as raised:
        await SQLiteSession("chat", tmp_path / "a.db").get_items()
    assert f"The database {str(tmp_path / 'a.db')!r} of session 'chat'" in raised.value.message
    assert "or other names for its tables" in raised.value.message
    assert await SQLiteSession("chat", tmp_path / "a.db", messages_table="mine").get_items() == []


async def test_a_column_of_somebody_else_that_must_be_filled_is_named(tmp_path: Path) -> None:
    session = SQLiteSession("chat", tmp_path / "a.db")
    await session.get_items()
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("DROP TABLE agent_messages")
        connection.execute(
            "CREATE TABLE agent_messages (id INTEGER PRIMARY KEY, session_id TEXT, message_data TEXT,"
            " created_at TEXT, tenant TEXT NOT NULL)"
        )
    url = f"sqlite+aiosqlite:///{tmp_path / 'a.db'}"
    for each in (session, SQLAlchemySession.from_url("chat", url=url)):
        with pytest.raises(UserError, match=r"do not take .* agent_messages\.tenant"):
            await each.add_items([said("a")])


async def test_a_file_that_is_no_database_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("this is a text file of more than sixteen bytes" * 50)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        await SQLiteSession("chat", tmp_path / "a.db").get_items()


async def test_a_closed_session_is_refused(tmp_path: Path) -> None:
    session = SQLiteSession("chat")
    session.close()
    with pytest.raises(UserError, match="is closed"):
        await session.get_items()


async def test_missing_tables_are_named_with_what_to_do(tmp_path: Path) -> None:
    session = SQLAlchemySession.from_url("chat", url=f"sqlite+aiosqlite:///{tmp_path / 'a.db'}")
    with pytest.raises(UserError, match=r"has no table 'agent_sessions' .*create_tables=True"):
        await session.get_items()


async def test_missing_tables_of_postgresql_are_named_with_what_to_do(postgres: Postgres) -> None:
    options = {"messages_table": "missing_messages", "sessions_table": "missing_sessions"}
    session = SQLAlchemySession.from_url("chat", url=postgres.url, **options)
    with pytest.raises(UserError, match=r"has no table 'missing_sessions' .*create_tables=True"):
        await session.get_items()
    await session.engine.dispose()


async def test_columns_of_another_schema_are_named(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("CREATE TABLE agent_messages (id INTEGER PRIMARY KEY, words TEXT, session_id TEXT)")
    url = f"sqlite+aiosqlite:///{tmp_path / 'a.db'}"
    session = SQLAlchemySession.from_url("chat", url=url, create_tables=True)
    with pytest.raises(UserError, match="table 'agent_messages' without the column 'message_data'"):
        await session.add_items([said("a")])


async def test_columns_of_another_schema_are_named_in_postgresql(postgres: Postgres) -> None:
    session = SQLAlchemySession.from_url("chat", url=postgres.url, messages_table="other", create_tables=True)
    async with session.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE other (id INTEGER PRIMARY KEY, words TEXT, session_id TEXT)"))
    with pytest.raises(UserError, match="table 'other' without the column 'message_data'"):
        await session.get_items()
    await session.engine.dispose()


async def test_a_server_that_is_down_is_waited_for_and_found_again(postgres: Postgres) -> None:
    session = SQLAlchemySession.from_url("down", url=postgres.url, create_tables=True)
    await session.add_items_once([said("a")], "run.0")
    postgres.stop()
    try:
        for _ in range(2):  # a connection that broke, then none
            with pytest.raises(SessionUnavailable, match="cannot be used"):
                await session.add_items_once([said("b")], "run.1")
    finally:
        postgres.start()
    await session.add_items_once([said("b")], "run.1")
    assert contents(await session.get_items()) == ["a", "b"]
    await session.engine.dispose()


async def test_a_row_that_another_transaction_holds_is_waited_for(postgres: Postgres) -> None:
    session = SQLAlchemySession.from_url("held", url=postgres.url, create_tables=True)
    await session.add_items([said("a")])
    async with session.engine.begin() as holder:
        await holder.execute(text("SELECT * FROM agent_sessions WHERE session_id = 'held' FOR UPDATE"))
        writing = asyncio.create_task(session.add_items([said("b")]))
        await asyncio.sleep(0.2)
        assert not writing.done()
    await writing
    assert contents(await session.get_items()) == ["a", "b"]
    await session.engine.dispose()


async def test_two_processes_may_create_the_tables_at_once(postgres: Postgres) -> None:
    names = {"sessions_table": "s_race", "messages_table": "m_race", "writes_table": "w_race", "create_tables": True}
    sessions = [SQLAlchemySession.from_url("chat", url=postgres.url, **names) for _ in range(4)]
    await asyncio.gather(*(session.add_items([said("a")]) for session in sessions))
    assert len(await sessions[0].get_items()) == 4
    for session in sessions:
        await session.engine.dispose()


# With the Agents SDK


async def test_a_database_of_the_agents_sdk_is_read_and_written(tmp_path: Path) -> None:
    theirs, ours = agents.SQLiteSession("chat", tmp_path / "a.db"), SQLiteSession("chat", tmp_path / "a.db")
    await theirs.add_items([said("a")])  # pyright: ignore[reportArgumentType]  # theirs are typed
    await ours.add_items_once([said("b")], "run.0")
    assert contents(await ours.get_items()) == contents(await theirs.get_items()) == ["a", "b"]  # pyright: ignore[reportArgumentType]
    theirs.close()


async def test_a_postgresql_database_of_the_agents_sdk_is_read_and_written(postgres: Postgres) -> None:
    names = {"sessions_table": "sdk_sessions", "messages_table": "sdk_messages", "create_tables": True}
    theirs = SdkSQLAlchemySession.from_url("chat", url=postgres.url, **names)
    ours = SQLAlchemySession.from_url("chat", url=postgres.url, **names)
    await theirs.add_items([said("a")])  # pyright: ignore[reportArgumentType]  # theirs are typed
    await ours.add_items_once([said("b")], "run.0")
    await theirs.add_items([said("c")])  # pyright: ignore[reportArgumentType]
    assert contents(await ours.get_items()) == ["a", "b", "c"]
    assert await theirs.get_items() == await ours.get_items()
    await ours.engine.dispose()
    await theirs._engine.dispose()


# Elsewhere


async def test_another_process_opens_the_same_store(opened: Open, request: pytest.FixtureRequest) -> None:
    session = opened()
    await session.add_items([said("a")])
    if "memory" in request.node.name:
        with pytest.raises(UserError, match="memory of this process"):
            session.describe()
        return
    other = open_store(session.session_id, session.describe())
    assert type(other) is type(session)
    assert contents(await other.get_items()) == ["a"]
    if isinstance(other, SQLAlchemySession):
        await other.engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://app:secret@db/agents",
        "postgresql+asyncpg://app@db/agents?password=secret",
        "postgresql+asyncpg://app@db/agents?sslpassword=secret",
    ],
)
def test_a_password_does_not_travel(url: str) -> None:
    session = SQLAlchemySession.from_url("chat", url=url)
    with pytest.raises(UserError, match="url_variable") as refused:
        session.describe()
    assert "secret" not in refused.value.message


def test_a_password_in_the_environment_stays_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DATABASE", "postgresql+asyncpg://app:secret@db/agents")
    told = SQLAlchemySession.from_url("chat", url_variable="SHOP_DATABASE").describe()
    assert told["url_variable"] == "SHOP_DATABASE"
    assert "secret" not in str(told)
    assert str(open_store("chat", told).engine.url.password) == "secret"
    monkeypatch.delenv("SHOP_DATABASE")
    with pytest.raises(AgentNotServed, match="environment has no SHOP_DATABASE"):
        open_store("chat", told)
    with pytest.raises(UserError, match="the environment has no SHOP_DATABASE"):
        SQLAlchemySession.from_url("chat", url_variable="SHOP_DATABASE")


def test_a_driver_that_is_missing_is_another_workers_matter() -> None:
    with pytest.raises(AgentNotServed, match="aiomysql"):
        open_store("chat", {"kind": "sqlalchemy", "url": "mysql+aiomysql://db/agents"})


@pytest.mark.parametrize("store", [{}, {"kind": "redis"}, {"kind": "sqlite"}, {"kind": "sqlite", "path": "a", "x": 1}])
def test_a_store_that_nobody_knows_is_refused(store: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="Session 'chat'"):
        open_store("chat", store)
