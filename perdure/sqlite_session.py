"""A session in a SQLite database, with tables as the Agents SDK has them and one more for the keys of writes."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from perdure.errors import SessionUnavailable, UserError
from perdure.item_json import TResponseInputItem
from perdure.session import SessionABC, SessionSettings, check_names, decoded, limit_of, other_tables

_T = TypeVar("_T")

_IN_MEMORY = ":memory:"
_PATIENCE_SECONDS = 5.0  # for another process's lock, before the store counts as down
_OTHER_TABLES = "Give the session a database of its own, or other names for its tables."
_COLUMNS = {
    "sessions_table": ("session_id", "created_at", "updated_at"),
    "messages_table": ("id", "session_id", "message_data", "created_at"),
    "writes_table": ("session_id", "write_key", "created_at"),
}
_WRONG_SCHEMA = ("no such table", "no such column", "has no column named", "may not be modified", "NOT NULL constraint")


class SQLiteSession(SessionABC):
    """A session in a SQLite database.

    A run's write and the key of it are one transaction, so a write that is made again is not made twice.

    Args:
        session_id: Which conversation.
        db_path: The file; by default the session lives in memory and ends with the process.
        sessions_table: Its table of sessions.
        messages_table: Its table of items.
        session_settings: How it is read where a run does not say otherwise.
        writes_table: Its table of writes.
    """

    def __init__(
        self,
        session_id: str,
        db_path: str | Path = _IN_MEMORY,
        sessions_table: str = "agent_sessions",
        messages_table: str = "agent_messages",
        session_settings: SessionSettings | dict[str, Any] | None = None,
        *,
        writes_table: str = "agent_session_writes",
    ) -> None:
        check_names(sessions_table, messages_table, writes_table)
        self.session_id = session_id
        self.session_settings: SessionSettings | None = SessionSettings.of(session_settings) or SessionSettings()
        self.db_path = db_path
        self._tables = {
            "sessions_table": sessions_table, "messages_table": messages_table, "writes_table": writes_table,
        }  # fmt: skip  # as they are named
        self._lock = threading.Lock()
        self._shared = self._connection() if self._in_memory else None
        self._closed = False

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """The items, oldest first; the last `limit` of them, or as many as the settings say."""
        wanted = limit_of(limit, self.session_settings)
        newest = self._sql("SELECT message_data FROM {messages_table} WHERE session_id = ? ORDER BY id DESC LIMIT ?")

        def read(connection: sqlite3.Connection) -> list[str]:
            rows = connection.execute(newest, (self.session_id, -1 if wanted is None else wanted)).fetchall()
            return [data for (data,) in reversed(rows)]

        return decoded(await self._do(read))

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Appends items, all of them or none."""
        await self._do(lambda connection: self._append(connection, _encoded(items)))

    async def add_items_once(self, items: list[TResponseInputItem], key: str) -> None:
        """Appends items, unless a write with this key has done so."""
        rows = _encoded(items)
        note = self._sql("INSERT OR IGNORE INTO {writes_table} (session_id, write_key) VALUES (?, ?)")

        def write(connection: sqlite3.Connection) -> None:
            if connection.execute(note, (self.session_id, key)).rowcount:
                self._append(connection, rows)

        await self._do(write)

    async def pop_item(self) -> TResponseInputItem | None:
        """Takes the last item out and returns it; `None` if there is none."""
        last = self._sql("SELECT id, message_data FROM {messages_table} WHERE session_id = ? ORDER BY id DESC LIMIT 1")

        def pop(connection: sqlite3.Connection) -> TResponseInputItem | None:
            connection.execute("BEGIN IMMEDIATE")
            while (row := connection.execute(last, (self.session_id,)).fetchone()) is not None:
                connection.execute(self._sql("DELETE FROM {messages_table} WHERE id = ?"), (row[0],))
                if found := decoded([row[1]]):
                    return found[0]
            return None

        return await self._do(pop)

    async def clear_session(self) -> None:
        """Takes all items out."""

        def clear(connection: sqlite3.Connection) -> None:
            for table in ("{messages_table}", "{sessions_table}"):
                connection.execute(self._sql(f"DELETE FROM {table} WHERE session_id = ?"), (self.session_id,))

        await self._do(clear)

    def close(self) -> None:
        """Ends the use of the database; one in memory is gone then."""
        with self._lock:
            self._closed = True
            if self._shared is not None:
                self._shared.close()

    def describe(self) -> dict[str, Any]:
        """How another process opens it: the file's path, which must lead to the same file there.

        Raises:
            UserError: It lives in memory.
        """
        if self._in_memory:
            raise UserError(
                f"Session {self.session_id!r} lives in the memory of this process, where no other can read it; give "
                "SQLiteSession a db_path."
            )
        return {"kind": "sqlite", "path": str(Path(self.db_path).absolute()), **self._tables}

    @property
    def _in_memory(self) -> bool:
        return str(self.db_path) == _IN_MEMORY

    def _sql(self, text: str) -> str:
        return text.format(**self._tables)

    def _append(self, connection: sqlite3.Connection, rows: list[str]) -> None:
        known = self._sql("INSERT OR IGNORE INTO {sessions_table} (session_id) VALUES (?)")
        connection.execute(known, (self.session_id,))
        added = self._sql("INSERT INTO {messages_table} (session_id, message_data) VALUES (?, ?)")
        connection.executemany(added, [(self.session_id, row) for row in rows])
        touched = self._sql("UPDATE {sessions_table} SET updated_at = CURRENT_TIMESTAMP WHERE session_id = ?")
        connection.execute(touched, (self.session_id,))

    async def _do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        return await asyncio.to_thread(self._in_transaction, work)

    def _in_transaction(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            with self._connected() as connection:
                self._create_tables(connection)
                with connection:
                    return work(connection)
        except (sqlite3.OperationalError, sqlite3.IntegrityError) as error:
            place = f"The database {str(self.db_path)!r} of session {self.session_id!r}"
            if any(text in str(error) for text in _WRONG_SCHEMA):
                raise other_tables(place, self._needed, self._found(), str(error), _OTHER_TABLES) from error
            if isinstance(error, sqlite3.IntegrityError):
                raise
            raise SessionUnavailable(f"{place} cannot be used: {error}") from error

    @property
    def _needed(self) -> dict[str, Collection[str]]:
        return {self._tables[name]: columns for name, columns in _COLUMNS.items()}

    def _found(self) -> dict[str, Collection[str]]:
        """The session's tables that are there, each with its columns."""
        with self._connected() as connection:
            rows = {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in self._needed}
        return {name: [row[1] for row in columns] for name, columns in rows.items() if columns}

    @contextmanager
    def _connected(self) -> Generator[sqlite3.Connection]:
        if self._closed:
            raise UserError(f"Session {self.session_id!r} is closed; open another one.")
        if self._shared is not None:
            with self._lock:
                yield self._shared
        else:
            with closing(self._connection()) as connection:
                yield connection

    def _connection(self) -> sqlite3.Connection:
        return sqlite3.connect(str(self.db_path), timeout=_PATIENCE_SECONDS, check_same_thread=False)

    def _create_tables(self, connection: sqlite3.Connection) -> None:
        """Creates what is missing; where nothing is, nothing is written."""
        if _has_tables(connection, list(self._tables.values())):
            return
        if not self._in_memory:
            connection.execute("PRAGMA journal_mode = WAL")
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                connection.execute(self._sql(statement))


_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS {sessions_table} (session_id TEXT PRIMARY KEY,"
    " created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)",
    "CREATE TABLE IF NOT EXISTS {messages_table} (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL,"
    " message_data TEXT NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,"
    " FOREIGN KEY (session_id) REFERENCES {sessions_table} (session_id) ON DELETE CASCADE)",
    "CREATE INDEX IF NOT EXISTS idx_{messages_table}_session_id ON {messages_table} (session_id, id)",
    "CREATE TABLE IF NOT EXISTS {writes_table} (session_id TEXT NOT NULL, write_key TEXT NOT NULL,"
    " created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (session_id, write_key))",
)


def _has_tables(connection: sqlite3.Connection, names: list[str]) -> bool:
    marks = ", ".join("?" * len(names))
    count = connection.execute(f"SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ({marks})", names)
    return count.fetchone()[0] == len(names)


def _encoded(items: list[TResponseInputItem]) -> list[str]:
    return [json.dumps(item) for item in items]
