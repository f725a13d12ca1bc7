"""What an import costs: packages that take long are imported by who needs them, when they are needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

ONLY_SOME_RUNS = {"openai", "opentelemetry", "httpx", "sqlalchemy", "litellm", "starlette"}
ONLY_RUNS = {"temporalio", "google", "platformdirs"}
ONLY_THE_COMMAND = {"typer", "rich", "click"}


def printed(code: str) -> list[str]:
    """The words that a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def modules_after(code: str) -> set[str]:
    return set(printed(f"import sys\n{code}\nprint(*sys.modules)"))


def packages_after(code: str) -> set[str]:
    return {name.partition(".")[0] for name in modules_after(code)}


@pytest.mark.parametrize("module", ["perdure", "perdure.cli", "worker"])
def test_an_import_brings_no_package_that_only_some_runs_need(module: str) -> None:
    assert not ONLY_SOME_RUNS & packages_after(f"import {module}")


@pytest.mark.parametrize("code", ["import perdure", "from perdure import Agent, Runner, function_tool"])
def test_who_defines_agents_brings_neither_temporal_nor_the_command(code: str) -> None:
    assert not (ONLY_RUNS | ONLY_THE_COMMAND) & packages_after(code)


def test_who_defines_agents_brings_neither_the_loop_nor_the_contracts() -> None:
    rooms = {".".join(name.split(".")[:2]) for name in modules_after("import perdure")}
    assert not {"perdure.loop", "perdure.contracts", "perdure.server", "perdure.cli"} & rooms


def test_who_starts_runs_brings_no_worker_before_one_is_needed() -> None:
    assert "temporalio.worker" not in modules_after("from perdure import Run, Thread")


def test_a_name_that_comes_later_is_listed_and_found_as_any_other() -> None:
    later = "later = set(perdure.__all__) - set(vars(perdure))"
    assert set(printed(f"import perdure; {later}; print(*later & set(dir(perdure)))")) == {"Run", "Thread"}
    assert printed("from perdure import *; print(Run.__module__, Thread.__module__)") == [
        "perdure.run",
        "perdure.thread",
    ]


def test_an_exported_name_stays_what_it_is_when_all_modules_are_imported() -> None:
    # A module gets into its package as an attribute: `perdure.handoff` is a function that has a module's name.
    code = """
import importlib, pkgutil, perdure
names = {name: getattr(perdure, name) for name in perdure.__all__}
for module in pkgutil.iter_modules(perdure.__path__):
    importlib.import_module(f"perdure.{module.name}")
print(*[name for name, known in names.items() if getattr(perdure, name) is not known])
"""
    assert printed(code) == []


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    code = "import perdure\ntry: perdure.Runer\nexcept AttributeError as error: print(error)"
    assert " ".join(printed(code)) == "module 'perdure' has no attribute 'Runer'"
