"""Finds agents in a module of the user's."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from perdure.agent import Agent
from perdure.errors import UserError

ContextFactory = Callable[[dict[str, Any] | None], Any]
SessionFactory = Callable[[str], Any]

_REFERENCE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?::([A-Za-z_]\w*))?")


@dataclass(frozen=True, slots=True)
class FoundAgents:
    """What a module serves: its agents by the variables that hold them, and its factories if it has some."""

    module: str
    agents: dict[str, Agent[Any]]
    context_factory: ContextFactory | None
    session_factory: SessionFactory | None = None


def find_agents(name: str) -> FoundAgents:
    """Imports a module, found from the working directory, and collects its module-level agents.

    Raises:
        UserError: There is no such module, it cannot be imported, it has no agent, or two agents have one name.
    """
    module = _import(name)
    agents = _agents_in(module)
    _check_names(name, agents)
    return FoundAgents(
        name,
        agents,
        _factory(module, "context_factory", "a run's state"),
        _factory(module, "session_factory", "a session's id"),
    )


def agents_of(reference: str) -> list[Agent[Any]]:
    """The agents of a module, those that share a name included; or the one that `module:variable` stands for.

    Raises:
        UserError: There is no such module or variable, it cannot be imported, or has no agent.
    """
    name, _, variable = reference.partition(":")
    if variable:
        return [_agent_in(_import(name), variable)]
    return [*_agents_in(_import(name)).values()]


def _agents_in(module: ModuleType) -> dict[str, Agent[Any]]:
    agents: dict[str, Agent[Any]] = {}
    for variable, value in vars(module).items():
        if isinstance(value, Agent) and not any(value is known for known in agents.values()):
            agents[variable] = cast("Agent[Any]", value)
    if not agents:
        raise UserError(f"Module {module.__name__!r} has no agent: no variable of it is an `Agent`.")
    return agents


def _agent_in(module: ModuleType, variable: str) -> Agent[Any]:
    value = getattr(module, variable, None)
    if not isinstance(value, Agent):
        raise UserError(f"{variable!r} of module {module.__name__!r} is {type(value).__name__}, not an `Agent`.")
    return cast("Agent[Any]", value)


def _factory(module: ModuleType, name: str, argument: str) -> Callable[[Any], Any] | None:
    factory = getattr(module, name, None)
    if factory is not None and not callable(factory):
        raise UserError(f"`{name}` of module {module.__name__!r} is {factory!r}; it must be a function of {argument}.")
    return cast("Callable[[Any], Any] | None", factory)


def find_agent(reference: str) -> Agent[Any] | str:
    """The agent that `module:variable`, or a module with one agent, stands for; anything else is an agent's name.

    A word without dots is a module only if it lies in the working directory, so that an agent named "email" is not
    the standard library's module.

    Raises:
        UserError: The module cannot be imported, has no such agent, or more than one.
    """
    parts = _REFERENCE.fullmatch(reference)
    if parts is None or (parts[2] is None and not _is_module(parts[1])):
        return reference
    if parts[2] is not None:
        return _agent_in(_import(parts[1]), parts[2])
    agents = find_agents(parts[1]).agents
    if len(agents) > 1:
        choices = ", ".join(f"{parts[1]}:{variable}" for variable in agents)
        raise UserError(f"Module {parts[1]!r} has {len(agents)} agents; name one: {choices}.")
    return next(iter(agents.values()))


def _check_names(module: str, agents: dict[str, Agent[Any]]) -> None:
    holders: dict[str, str] = {}
    for variable, agent in agents.items():
        first = holders.setdefault(agent.name, variable)
        if first != variable:
            raise UserError(
                f"Two agents of module {module!r} are named {agent.name!r}: `{first}` and `{variable}`. "
                "Runs ask for an agent by name; give each one of its own."
            )


def _is_module(name: str) -> bool:
    if "." not in name:
        return Path(f"{name}.py").is_file() or (Path(name) / "__init__.py").is_file()
    _look_in_working_directory()
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _import(name: str) -> ModuleType:
    _look_in_working_directory()
    if name.endswith(".py") or "/" in name:
        dotted = name.removesuffix(".py").strip("./").replace("/", ".")
        raise UserError(f"{name!r} is a file; name the module, as Python imports it from here: {dotted!r}.")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UserError(
                f"There is no module {name!r} in {str(Path.cwd())!r} or among the installed packages."
            ) from error
        raise UserError(_import_failed(name, error)) from error
    except Exception as error:
        raise UserError(_import_failed(name, error)) from error


def _import_failed(name: str, error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{place.filename}:{place.lineno}"
    return f"Module {name!r} cannot be imported: {type(error).__name__}: {error} (at {where})."


def _look_in_working_directory() -> None:
    """Finds modules as `python -m` does; a console script's own folder stands first in `sys.path` otherwise."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
