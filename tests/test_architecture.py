from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import perdure
from perdure.rooms import ROOMS

ROOT = Path(__file__).resolve().parents[1]
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 40  # without its docstring
NOT_OURS = {".hypothesis", ".git", ".venv", "__pycache__", "build", "dist", "node_modules"}

# In pieces, so that this file passes its own rule.
REGISTRIES = [f"{name}.{domain}" for name, domain in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"))]
REGISTRIES += [f"{name}.{domain}" for name, domain in (("npmjs", "com"), ("yarnpkg", "com"), ("debian", "org"))]
MACHINE_PATH = re.compile(r"(?<![\w.>})])/(?:work|root|Users)/")


def sources(*rooms: str) -> list[Path]:
    """The modules of rooms: a folder's, or the one that the room is."""
    found = [file for room in rooms for file in sorted((ROOT / room).rglob("*.py"))]
    return found + [ROOT / f"{room}.py" for room in rooms if (ROOT / f"{room}.py").is_file()]


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    return span(function) - (span(first) if documented else 0)


def span(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def absolute_imports(file: Path) -> Iterator[tuple[int, str]]:
    """The line and the first name of each import that is not relative."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.lineno, node.module.partition(".")[0]


def files_of_the_project() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS and not name.endswith(("_cache", ".egg-info"))]
        yield from (Path(folder, name) for name in names if (Path(folder) / name).is_file())


def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def test_a_module_has_at_most_300_lines() -> None:
    lengths = {name_of(file): len(text_of(file).splitlines()) for file in sources("perdure", *ROOMS)}
    assert lengths.pop("perdure/__init__.py")  # the list of what is exported is as long as it is
    assert {name: lines for name, lines in lengths.items() if lines > MAX_MODULE_LINES} == {}


def test_a_function_has_at_most_40_lines() -> None:
    lengths = {
        f"{name_of(file)}:{function.lineno} {function.name}": lines_of(function)
        for file in sources("perdure", *ROOMS)
        for function in functions(file)
    }
    assert lengths
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


def test_workflows_import_the_standard_library_temporalio_and_perdure_alone() -> None:
    allowed = {*sys.stdlib_module_names, "temporalio", "perdure"}
    imports = [
        (f"{name_of(file)}:{line}", name) for file in sources("workflows") for line, name in absolute_imports(file)
    ]
    assert imports
    assert [(place, name) for place, name in imports if name not in allowed] == []


def test_no_room_is_imported_by_its_top_level_name() -> None:
    # In a wheel the rooms lie inside `perdure`, and these names are somebody else's: see perdure/rooms.py.
    imports = [
        (f"{name_of(file)}:{line}", name)
        for file in sources("perdure", *ROOMS)
        for line, name in absolute_imports(file)
    ]
    assert [(place, name) for place, name in imports if name in ROOMS] == []


def test_every_exported_name_exists_once() -> None:
    assert len(perdure.__all__) == len(set(perdure.__all__))
    assert [name for name in perdure.__all__ if not hasattr(perdure, name)] == []


def test_every_public_member_is_exported() -> None:
    members = {name: member for name, member in vars(perdure).items() if not name.startswith("_")}
    public = {name for name, member in members.items() if not isinstance(member, ModuleType)} - {
        "annotations",
        "TYPE_CHECKING",
    }
    assert public - set(perdure.__all__) == set()


def test_the_exported_names_are_the_pinned_ones() -> None:
    # A change here is a change for every user: it belongs into CHANGELOG.md.
    pinned = (ROOT / "tests" / "exported_names.txt").read_text().split()
    assert sorted(perdure.__all__) == sorted(pinned)


def test_no_file_names_a_registry() -> None:
    found = [(name_of(file), host) for file in files_of_the_project() for host in REGISTRIES if host in text_of(file)]
    assert found == []


def test_no_file_names_a_path_of_one_machine() -> None:
    found = [
        (name_of(file), match[0]) for file in files_of_the_project() if (match := MACHINE_PATH.search(text_of(file)))
    ]
    assert found == []
