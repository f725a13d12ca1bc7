"""Each rule runs in a process of its own: what is imported, and from where, belongs to a whole interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from perdure.rooms import load_room

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = "owner = 'somebody else'\n"


def run(code: str, folder: Path) -> str:
    """What `code` prints in a fresh interpreter whose first place to look for modules is `folder`."""
    prelude = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(ROOT)!r}]\nfrom perdure.rooms import load_room\n"
    done = subprocess.run(
        [sys.executable, "-c", prelude + code], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_room_of_the_checkout_has_its_top_level_name(tmp_path: Path) -> None:
    room = run("room = load_room('workflows'); print(room.__name__, room.__file__)", tmp_path)
    assert room == f"workflows {ROOT / 'workflows' / '__init__.py'}"


def test_a_room_that_is_one_module_is_found(tmp_path: Path) -> None:
    assert run("print(load_room('worker').__file__)", tmp_path) == str(ROOT / "worker.py")


def test_a_module_inside_a_room_is_found(tmp_path: Path) -> None:
    assert run("print(load_room('activities.providers').__name__)", tmp_path) == "activities.providers"


def test_a_foreign_module_first_on_the_path_is_not_taken_for_the_room(tmp_path: Path) -> None:
    (tmp_path / "workflows.py").write_text(FOREIGN)
    room = run("print(load_room('workflows').__file__)", tmp_path)
    assert room == str(ROOT / "workflows" / "__init__.py")


def test_a_foreign_package_first_on_the_path_is_not_taken_for_the_room(tmp_path: Path) -> None:
    (tmp_path / "activities" / "providers").mkdir(parents=True)
    (tmp_path / "activities" / "__init__.py").write_text(FOREIGN)
    (tmp_path / "activities" / "providers" / "__init__.py").write_text(FOREIGN)
    room = run("print(load_room('activities.providers').__file__)", tmp_path)
    assert room == str(ROOT / "activities" / "providers" / "__init__.py")


def test_a_foreign_module_already_imported_stays_with_its_owner(tmp_path: Path) -> None:
    (tmp_path / "workflows.py").write_text(FOREIGN)
    code = "import workflows; ours = load_room('workflows'); import workflows as again\n"
    answer = run(code + "print(ours.__file__, again is workflows, again.owner, sep='|')", tmp_path)
    assert answer == f"{ROOT / 'workflows' / '__init__.py'}|True|somebody else"


def test_a_module_without_a_spec_is_foreign(tmp_path: Path) -> None:
    code = "import types; sys.modules['workflows'] = types.ModuleType('workflows')\n"
    assert run(code + "print(load_room('workflows').__name__)", tmp_path) == "perdure.rooms.workflows"


def test_a_room_under_its_private_name_stays_one_module(tmp_path: Path) -> None:
    (tmp_path / "workflows.py").write_text(FOREIGN)
    code = "first = load_room('workflows'); sys.path.remove(sys.path[0]); sys.modules.pop('workflows', None)\n"
    answer = run(code + "print(load_room('workflows') is first, first.__name__)", tmp_path)
    assert answer == "True perdure.rooms.workflows"


def test_a_room_under_its_private_name_can_be_imported_by_that_name(tmp_path: Path) -> None:
    (tmp_path / "activities.py").write_text(FOREIGN)
    code = "name = load_room('activities.providers').__name__; import importlib\n"
    assert run(code + "print(importlib.import_module(name).__name__)", tmp_path) == "perdure.rooms.activities.providers"


def test_rooms_in_the_package_win(tmp_path: Path) -> None:
    package = tmp_path / "site" / "perdure"
    (package / "workflows").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "rooms.py").write_text((ROOT / "perdure" / "rooms.py").read_text())
    (package / "workflows" / "__init__.py").write_text("from . import agent_run")
    (package / "workflows" / "agent_run.py").write_text("")
    (tmp_path / "site" / "workflows.py").write_text(FOREIGN)
    assert run("print(load_room('workflows.agent_run').__name__)", tmp_path / "site") == "perdure.workflows.agent_run"


def test_a_room_that_is_nowhere_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    package = tmp_path / "site" / "perdure"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "rooms.py").write_text((ROOT / "perdure" / "rooms.py").read_text())
    code = "try:\n    load_room('worker')\nexcept ModuleNotFoundError as error:\n    print(error.name, error)"
    answer = run(code, tmp_path / "site")
    assert answer.startswith("worker 'worker' lies neither in ")
    assert "install Perdure anew" in answer


def test_what_is_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'os\.path' is not in a room; the rooms are activities, examples, worker"):
        load_room("os.path")
