"""The live session of a run: the one that its caller lends, one that a worker's module makes, or one that it opens."""

from __future__ import annotations

import os
from typing import Any

from perdure.definition import SessionDefinition
from perdure.errors import UserError
from perdure.served import AgentNotServed, ServedAgents
from perdure.session import check_session
from perdure.sqlite_session import SQLiteSession


def find_session(
    served: ServedAgents, run_id: str, root: str, opened_by: tuple[str, str] | None, definition: SessionDefinition
) -> Any:
    """The session of a run, or of an agent that runs as a tool: the one that the tool was given.

    Args:
        served: The live objects.
        run_id: The run.
        root: The name of the agent that the run was started with.
        opened_by: For an agent as a tool: the key of the agent that called, and the tool's name.
        definition: The session as the run knows it.

    Raises:
        AgentNotServed: This worker does not have it.
    """
    if opened_by is not None:
        opener = served.tool(run_id, root, *opened_by).agent_tool
        found = opener.session if opener is not None else None
    else:
        lent = served.lent(run_id)
        found = lent.session if lent is not None else None
    if found is not None and found.session_id == definition.session_id:
        return found
    return _opened(served, definition)


def _opened(served: ServedAgents, definition: SessionDefinition) -> Any:
    """The session that this worker makes or opens; the same object each time, on the loop of user code."""
    name = definition.model_dump_json(exclude={"limit"})
    if name not in served.sessions:
        served.sessions[name] = _open(served, definition)
    return served.sessions[name]


def _open(served: ServedAgents, definition: SessionDefinition) -> Any:
    if served.session_factory is not None:
        made = served.session_factory(definition.session_id)
        check_session(made)
        return made
    if definition.store is None:
        raise AgentNotServed(
            f"This worker does not have session {definition.session_id!r}. Give it again with the run's id or state, "
            "or let the worker's module have a `session_factory`, a function of a session's id."
        )
    return open_store(definition.session_id, definition.store)


def open_store(session_id: str, store: dict[str, Any]) -> Any:
    """The session that describes itself so.

    Raises:
        UserError: No session does.
        AgentNotServed: This worker lacks a package for it, or the environment variable with its address.
    """
    options = {name: value for name, value in store.items() if name not in ("kind", "path")}
    try:
        if store.get("kind") == "sqlite":
            return SQLiteSession(session_id, store["path"], **options)
        if store.get("kind") == "sqlalchemy":
            return _open_database(session_id, options)
    except (KeyError, TypeError) as error:
        raise UserError(f"Session {session_id!r} cannot be opened by {store!r:.200}: {error}") from None
    raise UserError(f"Session {session_id!r} lies in a store that no worker knows: {store!r:.200}.")


def _open_database(session_id: str, options: dict[str, Any]) -> Any:
    variable = options.get("url_variable")
    if variable and not os.environ.get(str(variable)):
        raise AgentNotServed(
            f"This worker's environment has no {variable}, which is to have the address of session {session_id!r}'s "
            "database. Start one that has it."
        )
    try:
        from perdure.extensions.memory import SQLAlchemySession

        return SQLAlchemySession.from_url(session_id, **options)
    except ImportError as error:
        raise AgentNotServed(f"This worker cannot open session {session_id!r}: {error}") from None
