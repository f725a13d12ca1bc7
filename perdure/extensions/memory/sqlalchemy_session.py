"""A session in any database that SQLAlchemy has an async driver for."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import (
    MetaData,
    delete,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from perdure.errors import SessionUnavailable, UserError
from perdure.extensions.memory.sqlalchemy_tables import columns_of, messages_in, sessions_in, writes_in
from perdure.item_json import TResponseInputItem
from perdure.session import SessionABC, SessionSettings, check_names, decoded, limit_of, other_tables

_SECRET_WORDS = ("pass", "secret", "token", "key", "credential")
_OTHER_TABLES = (
    "Let the session create its tables (create_tables=True), or give it a database of its own, or the names of others."
)
_WRONG_SCHEMA = ("no such table", "no such column", "has no column named", "NOT NULL constraint", "not-null constraint")
# By SQLSTATE: no connection, too few resources, another transaction was in the way, the server stops or starts.
_PASSING = ("08", "53", "40", "55P03", "57P")


class SQLAlchemySession(SessionABC):
    """A session in a database; its tables are those of the Agents SDK, and one more for the keys of writes.

    A run's write and the key of it are one transaction, so a write that is made again is not made twice.

    Args:
        session_id: Which conversation.
        engine: The database; `from_url` makes one.
        create_tables: Whether tables that are missing are created.
        sessions_table: The table of sessions.
        messages_table: The table of items.
        session_settings: How it is read where a run does not say otherwise.
        ensure_ascii: Whether items are stored in ASCII alone.
        writes_table: The table of writes.
        url_variable: The environment variable that has the database's address, for processes that open it themselves.
    """

    def __init__(
        self,
        session_id: str,
        *,
        engine: AsyncEngine,
        create_tables: bool = False,
        sessions_table: str = "agent_sessions",
        messages_table: str = "agent_messages",
        session_settings: SessionSettings | dict[str, Any] | None = None,
        ensure_ascii: bool = True,
        writes_table: str = "agent_session_writes",
        url_variable: str | None = None,
    ) -> None:
        check_names(sessions_table, messages_table, writes_table)
        self.session_id = session_id
        self.session_settings: SessionSettings | None = SessionSettings.of(session_settings) or SessionSettings()
        self._engine = engine
        self._lacks_tables = create_tables
        self._url_variable = url_variable
        self._as_given = {
            "create_tables": create_tables, "sessions_table": sessions_table, "messages_table": messages_table,
            "writes_table": writes_table, "ensure_ascii": ensure_ascii,
        }  # fmt: skip  # as they are named
        self._ensure_ascii = ensure_ascii
        self._metadata = MetaData()
        self._sessions = sessions_in(self._metadata, sessions_table)
        self._messages = messages_in(self._metadata, messages_table, sessions_table)
        self._writes = writes_in(self._metadata, writes_table)

    @classmethod
    def from_url(
        cls,
        session_id: str,
        *,
        url: str | None = None,
        url_variable: str | None = None,
        engine_kwargs: dict[str, Any] | None = None,
        **options: Any,
    ) -> SQLAlchemySession:
        """A session in the database at an address, such as `postgresql+asyncpg://app@db.example.com/agents`.

        Args:
            session_id: Which conversation.
            url: The address.
            url_variable: Instead, the environment variable that has it. So a run of an agent by name can use a
                database with a password: only the variable's name travels.
            engine_kwargs: Options of SQLAlchemy's `create_async_engine`.
            options: See the class.

        Raises:
            UserError: There is no address.
        """
        address = os.environ.get(url_variable) if url is None and url_variable is not None else url
        if not address:
            what = f"the environment has no {url_variable}" if url_variable else "neither url nor url_variable is given"
            raise UserError(f"Session {session_id!r} has no database: {what}.")
        engine = create_async_engine(address, **(engine_kwargs or {}))
        return cls(session_id, engine=engine, url_variable=url_variable, **options)

    @property
    def engine(self) -> AsyncEngine:
        """The database."""
        return self._engine

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """The items, oldest first; the last `limit` of them, or as many as the settings say."""
        wanted = limit_of(limit, self.session_settings)
        table = self._messages
        newest = select(table.c.message_data).where(table.c.session_id == self.session_id).order_by(table.c.id.desc())
        async with self._transaction() as connection:
            rows = (await connection.execute(newest if wanted is None else newest.limit(wanted))).all()
        return decoded(row[0] for row in reversed(rows))

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Appends items, all of them or none."""
        async with self._transaction() as connection:
            await self._hold(connection)
            await self._append(connection, items)

    async def add_items_once(self, items: list[TResponseInputItem], key: str) -> None:
        """Appends items, unless a write with this key has done so."""
        table, note = self._writes, {"session_id": self.session_id, "write_key": key}
        known = select(table.c.write_key).where(table.c.session_id == self.session_id, table.c.write_key == key)
        async with self._transaction() as connection:
            await self._hold(connection)
            if (await connection.execute(known)).first() is None:
                await connection.execute(insert(table).values(note))
                await self._append(connection, items)

    async def pop_item(self) -> TResponseInputItem | None:
        """Takes the last item out and returns it; `None` if there is none."""
        table = self._messages
        last = select(table.c.id, table.c.message_data).where(table.c.session_id == self.session_id)
        last = last.order_by(table.c.id.desc()).limit(1)
        async with self._transaction() as connection:
            await self._hold(connection)
            while (row := (await connection.execute(last)).first()) is not None:
                await connection.execute(delete(table).where(table.c.id == row[0]))
                if found := decoded([row[1]]):
                    return found[0]
        return None

    async def clear_session(self) -> None:
        """Takes all items out."""
        async with self._transaction() as connection:
            await self._hold(connection)
            for table in (self._messages, self._sessions):
                await connection.execute(delete(table).where(table.c.session_id == self.session_id))

    def describe(self) -> dict[str, Any]:
        """How another process opens it: the address, or the environment variable that has it there.

        Raises:
            UserError: The address holds a secret, or a database in memory.
        """
        if self._url_variable is not None:
            return {"kind": "sqlalchemy", "url_variable": self._url_variable, **self._as_given}
        url = self._engine.url
        secrets = [name for name in url.query if any(word in name.lower() for word in _SECRET_WORDS)]
        if url.password is not None or secrets:
            raise UserError(
                f"The database of session {self.session_id!r} has a password in its address, which would stay in the "
                "run's history. Put the address into an environment variable of clients and workers, and give its "
                "name: SQLAlchemySession.from_url(..., url_variable='DATABASE_URL')."
            )
        if url.get_backend_name() == "sqlite" and (url.database or ":memory:") == ":memory:":
            raise UserError(f"Session {self.session_id!r} lives in the memory of this process; give it a database.")
        return {"kind": "sqlalchemy", "url": url.render_as_string(), **self._as_given}

    async def _append(self, connection: AsyncConnection, items: list[TResponseInputItem]) -> None:
        rows = [
            {"session_id": self.session_id, "message_data": json.dumps(item, ensure_ascii=self._ensure_ascii)}
            for item in items
        ]
        if rows:
            await connection.execute(insert(self._messages), rows)

    async def _hold(self, connection: AsyncConnection) -> None:
        """Makes others who write to the session wait; the session is there then."""
        table = self._sessions
        touch = update(table).where(table.c.session_id == self.session_id).values(updated_at=text("CURRENT_TIMESTAMP"))
        if (await connection.execute(touch)).rowcount:
            return
        try:
            async with connection.begin_nested():
                await connection.execute(insert(table).values(session_id=self.session_id))
        except IntegrityError:  # another writer was first
            await connection.execute(touch)

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[AsyncConnection]:
        try:
            if self._lacks_tables:
                await self._create_tables()
            async with self._engine.begin() as connection:
                yield connection
        except (DBAPIError, OSError) as error:
            if _is_about_tables(error):
                raise await self._other_tables(error) from error
            raise self._told(error) from error
        except Exception as error:
            if _sqlstate(error).startswith(_PASSING):
                raise self._told(error) from error
            raise

    async def _create_tables(self) -> None:
        for is_last in (False, True):
            try:
                async with self._engine.begin() as connection:
                    await connection.run_sync(self._metadata.create_all)
                break
            except DBAPIError:  # another process may have created them meanwhile
                if is_last:
                    raise
        self._lacks_tables = False

    @property
    def _place(self) -> str:
        return f"The database {self._engine.url.render_as_string()} of session {self.session_id!r}"

    async def _other_tables(self, error: Exception) -> UserError:
        needed = {table.name: [*table.columns.keys()] for table in (self._sessions, self._messages, self._writes)}
        found: dict[str, list[str]] | None = None
        try:
            async with self._engine.connect() as connection:
                found = await connection.run_sync(lambda sync: columns_of(sync, needed))
        except (DBAPIError, OSError):  # then its own words must do
            pass
        return other_tables(self._place, needed, found, _words(error), _OTHER_TABLES)

    def _told(self, error: Exception) -> Exception:
        """What a database's error means to a run: whether it cannot be used now."""
        is_passing = isinstance(error, OperationalError | InterfaceError | OSError)
        is_passing = is_passing or _sqlstate(error).startswith(_PASSING)
        if is_passing or getattr(error, "connection_invalidated", False):
            return SessionUnavailable(f"{self._place} cannot be used: {_words(error):.300}")
        return error


def _is_about_tables(error: Exception) -> bool:
    """Whether an error means that the tables are others than the session's."""
    return isinstance(error, ProgrammingError) or any(words in _words(error) for words in _WRONG_SCHEMA)


def _words(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error)


def _sqlstate(error: BaseException) -> str:
    origin = getattr(error, "orig", None) or error
    return str(getattr(origin, "sqlstate", None) or getattr(origin, "pgcode", None) or "")
