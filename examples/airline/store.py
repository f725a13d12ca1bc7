"""The airline's database: SQLite, one JSON document a row, and a record of the effects that happened."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal, cast

DATA_DIR = Path(__file__).parent / "data"
"""The recorded conversations and the database as it was before each of them."""

Record = dict[str, Any]
Table = Literal["users", "reservations", "flights"]
TABLES: tuple[Table, ...] = ("users", "reservations", "flights")

BUSY_TIMEOUT_SECONDS = 30.0  # how long a writer waits for another one before "database is locked"


def build(path: Path | str, data_dir: Path | str = DATA_DIR) -> None:
    """Make the database at `path` as the data folder has it, replacing what it held.

    One transaction: a crash in the middle leaves the old database or none, never half of the new one.

    Args:
        path: The database's file; its folder must exist.
        data_dir: A folder with `users.json`, `reservations.json` and `flights.json`.
    """
    tables = {table: _read_table(Path(data_dir), table) for table in TABLES}
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # readers go on while one writer writes
        with _transaction(connection):
            for table, records in tables.items():
                connection.execute(f"DROP TABLE IF EXISTS {table}")
                connection.execute(f"CREATE TABLE {table} (id TEXT PRIMARY KEY, document TEXT NOT NULL)")
                rows = [(record_id, json.dumps(record)) for record_id, record in records.items()]
                connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)
            connection.execute("DROP TABLE IF EXISTS effects")
            connection.execute("CREATE TABLE effects (key TEXT PRIMARY KEY, output TEXT NOT NULL)")


@contextmanager
def connect(path: Path | str) -> Generator[sqlite3.Connection]:
    """Open the database at `path` for one call, in one thread, and close it again.

    Raises:
        FileNotFoundError: There is no database at `path`; SQLite itself would make an empty one.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"No airline database at {str(path)!r}. Make one with `build(path)` first.")
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)) as connection:
        yield connection


def once(connection: sqlite3.Connection, key: str, change: Callable[[], str]) -> str:
    """Make a change at most once for its key; asked again, answer what it answered then.

    The key goes into the database in the same transaction as the change, so there is no moment in which one is kept
    and the other is not: a worker killed before the commit has done nothing, one killed after it has done everything.
    That is what lets a tool say `effect="repeatable"`: Perdure may call it again after a crash.
    """
    if not key:
        raise ValueError("The key is empty. Pass `ctx.idempotency_key`, which a call inside a run always has.")
    with _transaction(connection):
        done = connection.execute("SELECT output FROM effects WHERE key = ?", (key,)).fetchone()
        if done is not None:
            return str(done[0])
        output = change()
        connection.execute("INSERT INTO effects VALUES (?, ?)", (key, output))
        return output


def find(connection: sqlite3.Connection, table: Table, record_id: str) -> Record | None:
    """The record with this id, or None."""
    row = connection.execute(f"SELECT document FROM {table} WHERE id = ?", (record_id,)).fetchone()
    return None if row is None else json.loads(row[0])


def every(connection: sqlite3.Connection, table: Table) -> dict[str, Record]:
    """All records of a table by id, in the order of the data file."""
    rows = connection.execute(f"SELECT id, document FROM {table} ORDER BY rowid")
    return {record_id: json.loads(document) for record_id, document in rows}


def put(connection: sqlite3.Connection, table: Table, record_id: str, record: Record) -> None:
    """Write a record, new or changed; a changed one keeps its place in the order."""
    connection.execute(
        f"INSERT INTO {table} VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document",
        (record_id, json.dumps(record)),
    )


def changes(path: Path | str, data_dir: Path | str = DATA_DIR) -> list[str]:
    """What differs from the data folder, one readable line for each difference."""
    lines: list[str] = []
    with connect(path) as connection:
        for table in TABLES:
            before, now = _read_table(Path(data_dir), table), every(connection, table)
            for record_id in before | now:
                title = f"{table.removesuffix('s')} {record_id}"
                lines += _differences(title, before.get(record_id), now.get(record_id))
    return lines


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    # IMMEDIATE takes the write lock before the first read: two callers with one key go one after the other.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _read_table(data_dir: Path, table: Table) -> dict[str, Record]:
    return json.loads((data_dir / f"{table}.json").read_text(encoding="utf-8"))


def _differences(title: str, before: Any, now: Any) -> Iterator[str]:
    if before == now:
        return
    if before is None:
        yield f"{title} -> {json.dumps(now)}"
    elif now is None:
        yield f"{title} removed, was {json.dumps(before)}"
    elif isinstance(before, dict) and isinstance(now, dict):
        old, new = cast("Record", before), cast("Record", now)
        separator = "." if ": " in title else ": "
        for key in old | new:
            yield from _differences(f"{title}{separator}{key}", old.get(key), new.get(key))
    elif isinstance(before, list) and isinstance(now, list):
        yield from _list_differences(title, cast("list[Any]", before), cast("list[Any]", now))
    else:
        yield f"{title} {json.dumps(before)} -> {json.dumps(now)}"


def _list_differences(title: str, before: list[Any], now: list[Any]) -> Iterator[str]:
    if now[: len(before)] == before:
        for item in now[len(before) :]:
            yield f"{title} + {json.dumps(item)}"
    elif len(before) == len(now):
        for index, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from _differences(f"{title}[{index}]", old, new)
    else:
        yield f"{title} {json.dumps(before)} -> {json.dumps(now)}"
