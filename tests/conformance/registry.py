"""The scenarios: short programs that both sides run."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

Program = Callable[[Any, Any], Awaitable[Any]]
UNSET: Any = object()


@dataclass(frozen=True)
class Scenario:
    """A program with what shows, on the side of the Agents SDK, that it does what it is named for."""

    name: str
    statements: tuple[int, ...]
    program: Program
    final: Any = UNSET
    raises: str | None = None
    log: list[str] | None = None
    requests: int | None = None
    ordered: bool = True
    alone: bool = False
    killable: bool = True

    @property
    def slug(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


_SCENARIOS: dict[str, Scenario] = {}


def scenario(name: str, *statements: int, **expected: Any) -> Callable[[Program], Program]:
    """Registers a program.

    Args:
        name: What the scenario shows.
        statements: The numbers of the rules that it is about.
        expected: `final`: the final output. `raises`: the class of the exception. `log`: what was logged. `requests`:
            how many requests the models got. `ordered=False`: the log's order is left to chance. `alone=True`: changes
            something that all scenarios share. `killable=False`: keeps state that a new process has not, or logs what
            only the test's own process sees, or in an order that a kill may change.
    """

    def register(program: Program) -> Program:
        made = Scenario(name, statements, program, **expected)
        if any(other.slug == made.slug for other in _SCENARIOS.values()):
            raise ValueError(f"Two scenarios are named {name!r}; name one of them otherwise.")
        _SCENARIOS[name] = made
        return program

    return register


def all_scenarios() -> list[Scenario]:
    """Every scenario, in the order of the modules' names."""
    from tests.conformance import scenarios

    for module in sorted(pkgutil.iter_modules(scenarios.__path__), key=lambda found: found.name):
        importlib.import_module(f"{scenarios.__name__}.{module.name}")
    return list(_SCENARIOS.values())
