"""Sessions: what runs remember of the conversations before them, in a store of the user's choice."""

from __future__ import annotations

import inspect
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

from perdure.definition import LONGEST_SESSION_ID, SessionDefinition
from perdure.errors import UserError
from perdure.foreign import kind_of
from perdure.item_json import TResponseInputItem

SessionInputCallback: TypeAlias = Callable[
    [list[TResponseInputItem], list[TResponseInputItem]],
    "list[TResponseInputItem] | Awaitable[list[TResponseInputItem]]",
]
"""Combines a session's history and a run's new input, in this order, to what the model is given; may be async."""

NOT_WITH_PROVIDER = (
    "Session persistence cannot be combined with conversation_id, previous_response_id, or auto_previous_response_id."
)
_METHODS = ("get_items", "add_items", "pop_item", "clear_session")
_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass
class SessionSettings:
    """How a session is read.

    Attributes:
        limit: So many of its last items; `None`: all of them.
    """

    limit: int | None = None

    def resolve(self, override: SessionSettings | dict[str, Any] | None) -> SessionSettings:
        """These settings, with those that the others set laid over them."""
        over = SessionSettings.of(override)
        return self if over is None or over.limit is None else SessionSettings(over.limit)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON."""
        return {"limit": self.limit}

    @classmethod
    def of(cls, value: SessionSettings | dict[str, Any] | None) -> SessionSettings | None:
        """Settings given as such, or as a mapping of the same names.

        Raises:
            UserError: They are neither, or the limit is no number from 0 on.
        """
        if isinstance(value, dict) and not value.keys() - {"limit"}:
            value = cls(**value)
        limit = getattr(value, "limit", None)
        if (value is not None and not hasattr(value, "limit")) or not _is_limit(limit):
            raise UserError(
                f"session_settings is {value!r:.100}; it must be a SessionSettings whose limit is a number from 0 on, "
                "or None for all items."
            )
        return cast("SessionSettings | None", value)


@runtime_checkable
class Session(Protocol):
    """A store of one conversation, which runs read and write; any object with these members is one.

    Attributes:
        session_id: Which conversation.
        session_settings: How it is read where a run does not say otherwise.
    """

    session_id: str
    session_settings: SessionSettings | None = None

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """The items in the order in which they were added; the last `limit` of them if that is given."""
        ...

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Appends items."""
        ...

    async def pop_item(self) -> TResponseInputItem | None:
        """Takes the last item out and returns it; `None` if there is none."""
        ...

    async def clear_session(self) -> None:
        """Takes all items out."""
        ...


class SessionABC(ABC):
    """A base class for sessions; see `Session`, which any other object may be as well."""

    session_id: str
    session_settings: SessionSettings | None = None

    @abstractmethod
    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """See `Session.get_items`."""

    @abstractmethod
    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """See `Session.add_items`."""

    @abstractmethod
    async def pop_item(self) -> TResponseInputItem | None:
        """See `Session.pop_item`."""

    @abstractmethod
    async def clear_session(self) -> None:
        """See `Session.clear_session`."""


def takes_keys(session: Any) -> bool:
    """Whether a session takes writes with keys; not where a subclass has `add_items` of its own, and that alone."""
    kinds = type(session).__mro__
    keyed, plain = (
        next((place for place, kind in enumerate(kinds) if name in vars(kind)), len(kinds))
        for name in ("add_items_once", "add_items")
    )
    return keyed <= plain and keyed < len(kinds)


def define_session(session: Any, settings: SessionSettings | dict[str, Any] | None) -> SessionDefinition | None:
    """What a run has to know of a session, if there is one.

    Args:
        session: The session.
        settings: Those of the run, laid over the session's own.

    Raises:
        UserError: It is no session.
    """
    if session is None:
        return None
    check_session(session)
    own = SessionSettings.of(getattr(session, "session_settings", None)) or SessionSettings()
    values: dict[str, Any] = {"limit": own.resolve(settings).limit, "store": _store_of(session)}
    given = {name: value for name, value in values.items() if value is not None}
    return SessionDefinition(session_id=session.session_id, **given)


def check_portable(session: Any, agent: str) -> None:
    """Makes sure that workers elsewhere, which serve the agent by name, can open a session.

    Raises:
        UserError: They cannot.
    """
    check_session(session)
    if not _describes_itself(session):
        raise UserError(
            f"Agent {agent!r} runs where a worker serves it, and a {type(session).__name__} cannot travel there. Give "
            "a SQLiteSession or SQLAlchemySession; or the session's id alone, and let the worker's module have a "
            "`session_factory`, a function of the id."
        )
    session.describe()  # which says what another process could not open


def _store_of(session: Any) -> dict[str, Any] | None:
    try:
        return session.describe() if _describes_itself(session) else None
    except UserError:  # then only this process, or one with the same object, serves the run
        return None


def _describes_itself(session: Any) -> bool:
    """Whether a session says how to open one of its class; what a subclass adds would be lost elsewhere."""
    return "describe" in type(session).__dict__


def check_session(session: Any) -> None:
    """Makes sure that an object is a session.

    Raises:
        UserError: It lacks something.
    """
    lacking = [name for name in _METHODS if not callable(getattr(session, name, None))]
    session_id = getattr(session, "session_id", None)
    if not isinstance(session_id, str):
        lacking.insert(0, "session_id")
    elif len(session_id) > LONGEST_SESSION_ID:
        raise UserError(f"A session_id has {len(session_id)} characters; it may have {LONGEST_SESSION_ID}.")
    if lacking or isinstance(session, type):
        text = f"session is {session!r:.100}, of type {kind_of(session)}, and no session"
        text += f": it lacks {', '.join(lacking)}. " if lacking else ". "
        raise UserError(f"{text}Give a SQLiteSession, or an object with session_id, {', '.join(_METHODS)}.")


async def said(answer: Any) -> Any:
    """What a session's method gave, which may be async or not."""
    return await answer if inspect.isawaitable(answer) else answer


def limit_of(explicit: int | None, settings: SessionSettings | None) -> int | None:
    """How many items a session gives: as many as its caller says, else its own settings."""
    return explicit if explicit is not None else settings.limit if settings is not None else None


def decoded(rows: Iterable[str]) -> list[TResponseInputItem]:
    """The items of a store's rows; a row that is no JSON is none."""
    found: list[TResponseInputItem] = []
    for row in rows:
        try:
            found.append(json.loads(row))
        except (ValueError, TypeError):
            continue
    return found


def check_names(*names: str) -> None:
    """Refuses names of tables that would have to be quoted.

    Raises:
        UserError: One is no plain name.
    """
    wrong = [name for name in names if not _NAME.fullmatch(name)]
    if wrong:
        raise UserError(f"{wrong[0]!r:.100} is no name for a table: take letters, digits and underscores.")


def other_tables(
    place: str,
    needed: Mapping[str, Collection[str]],
    found: Mapping[str, Collection[str]] | None,
    said: str,
    advice: str,
) -> UserError:
    """What to say of a store whose tables are not those of a session.

    Args:
        place: The store and the session, as the beginning of the sentence.
        needed: The session's tables, each with its columns.
        found: Those that are there; `None`: nobody could look.
        said: The database's own words.
        advice: What to do.
    """
    problem = "has other tables than the session needs" if found is None else _lack(needed, found)
    return UserError(f"{place} {problem} ({said:.300}). {advice}")


def _lack(needed: Mapping[str, Collection[str]], found: Mapping[str, Collection[str]]) -> str:
    for table, columns in needed.items():
        missing = [name for name in columns if name not in found.get(table, columns)]
        if missing:
            has = ", ".join(found[table])
            return (
                f"has a table {table!r} without the column {missing[0]!r}, which the session needs; it has {has:.300}"
            )
    absent = [table for table in needed if table not in found]
    return f"has no table {absent[0]!r}" if absent else "has tables that do not take what the session writes"


def _is_limit(limit: Any) -> bool:
    return limit is None or (isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0)
