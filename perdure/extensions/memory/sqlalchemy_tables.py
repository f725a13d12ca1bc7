"""The tables of a session in a database: those of the Agents SDK, and one more for the keys of writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    TIMESTAMP,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    text,
)


def _now(name: str) -> Column[Any]:
    return Column(name, TIMESTAMP(timezone=False), server_default=text("CURRENT_TIMESTAMP"), nullable=False)


def sessions_in(metadata: MetaData, name: str) -> Table:
    """The table of sessions."""
    return Table(
        name, metadata, Column("session_id", String(255), primary_key=True), _now("created_at"), _now("updated_at")
    )


def messages_in(metadata: MetaData, name: str, sessions: str) -> Table:
    """The table of items."""
    owner = ForeignKey(f"{sessions}.session_id", ondelete="CASCADE")
    return Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("session_id", String(255), owner, nullable=False),
        Column("message_data", Text, nullable=False),
        _now("created_at"),
        Index(f"idx_{name}_session_id", "session_id", "id"),
        sqlite_autoincrement=True,
    )


def writes_in(metadata: MetaData, name: str) -> Table:
    """The table of writes, by their keys."""
    return Table(
        name,
        metadata,
        Column("session_id", String(255), primary_key=True),
        Column("write_key", String(255), primary_key=True),
        _now("created_at"),
    )


def columns_of(connection: Connection, names: Iterable[str]) -> dict[str, list[str]]:
    """The tables that are there, each with its columns."""
    looking = inspect(connection)
    there = [name for name in names if looking.has_table(name)]
    return {name: [str(column["name"]) for column in looking.get_columns(name)] for name in there}
