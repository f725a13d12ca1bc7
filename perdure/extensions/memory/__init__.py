"""Sessions whose stores need more than the standard library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perdure.extensions.memory.sqlalchemy_session import SQLAlchemySession

__all__ = ["SQLAlchemySession"]


def __getattr__(name: str) -> Any:
    """Imports a session when it is first asked for, as its extra may not be installed."""
    if name != "SQLAlchemySession":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from perdure.extensions.memory.sqlalchemy_session import SQLAlchemySession
    except ImportError as error:
        raise ImportError(
            f"SQLAlchemySession needs more packages: pip install 'perdure[sqlalchemy]' ({error})"
        ) from error
    return SQLAlchemySession
