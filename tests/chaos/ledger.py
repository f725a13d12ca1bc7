"""The world that tools change: a SQLite file, the only judge of what took effect.

Tools write to it in the worker processes, which are killed; a transaction that was cut off is undone by SQLite.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

_TABLES = """
CREATE TABLE attempts (tool TEXT, key TEXT, pid INTEGER, at REAL);
CREATE TABLE refused (key TEXT);
CREATE TABLE effects (tool TEXT, key TEXT);
CREATE UNIQUE INDEX charged ON effects (key) WHERE tool = 'charge';
"""
_LOCK_SECONDS = 30.0  # longer than a worker that holds the lock is frozen


@dataclass(frozen=True)
class Books:
    """What is in the ledger: how often each call was tried and took effect, by tool and key.

    Attributes:
        refused: How many effects were not had again, as their key was there.
    """

    attempts: Counter[tuple[str, str]]
    effects: Counter[tuple[str, str]]
    refused: int


class Ledger:
    def __init__(self, file: Path) -> None:
        self._file = file

    def create(self) -> None:
        with self._open() as connection:
            connection.executescript(_TABLES)

    def attempt(self, tool: str, key: str) -> None:
        with self._open() as connection:
            connection.execute("INSERT INTO attempts VALUES (?, ?, ?, ?)", (tool, key, os.getpid(), time.time()))

    def last_attempt(self) -> tuple[int, int]:
        """The number of the last attempt at a call, and the process that makes it; zeros before the first."""
        with self._open() as connection:
            query = "SELECT rowid, pid FROM attempts ORDER BY rowid DESC LIMIT 1"
            return connection.execute(query).fetchone() or (0, 0)

    def effect(self, tool: str, key: str) -> None:
        """Has the effect, whether or not it was there before."""
        with self._open() as connection:
            connection.execute("INSERT INTO effects VALUES (?, ?)", (tool, key))

    def effect_once(self, tool: str, key: str) -> None:
        """Has the effect if none with this key is there, in the same transaction."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            done = connection.execute("SELECT 1 FROM effects WHERE tool = ? AND key = ?", (tool, key)).fetchone()
            if done is None:
                connection.execute("INSERT INTO effects VALUES (?, ?)", (tool, key))
            else:
                connection.execute("INSERT INTO refused VALUES (?)", (key,))

    def has(self, tool: str, key: str) -> bool:
        """Whether a call took effect."""
        with self._open() as connection:
            query = "SELECT 1 FROM effects WHERE tool = ? AND key = ?"
            return connection.execute(query, (tool, key)).fetchone() is not None

    def recoveries(self, killed: list[tuple[int, float]]) -> list[float]:
        """How long after the death of a process the calls that it had begun were begun again, in seconds.

        Of tools that are repeated without asking anybody.
        """
        with self._open() as connection:
            query = """
            SELECT MIN(again.at) - ? FROM attempts AS lost JOIN attempts AS again USING (tool, key)
            WHERE lost.pid = ? AND again.pid != lost.pid AND again.at > ? AND tool IN ('look_up', 'charge')
            GROUP BY tool, key
            """
            return [row[0] for pid, at in killed for row in connection.execute(query, (at, pid, at))]

    def books(self) -> Books:
        with self._open() as connection:
            attempts, effects = (
                Counter((tool, key) for tool, key in connection.execute(f"SELECT tool, key FROM {table}"))
                for table in ("attempts", "effects")
            )
            (refused,) = connection.execute("SELECT COUNT(*) FROM refused").fetchone()
        return Books(attempts, effects, refused)

    @contextlib.contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        connection = sqlite3.connect(self._file, timeout=_LOCK_SECONDS)
        try:
            connection.execute("PRAGMA synchronous = OFF")  # processes are killed here, the machine is not
            with connection:
                yield connection
        finally:
            connection.close()
