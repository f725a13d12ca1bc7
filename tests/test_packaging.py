from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LLAMA_INDEX_WORKFLOWS = "llama-index-workflows"  # owns the top-level name `workflows`

EVERY_MODULE = """
import importlib, pkgutil, perdure
for module in pkgutil.walk_packages(perdure.__path__, "perdure."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""


def run(*command: str | Path, folder: Path = ROOT) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    return next(folder.glob("perdure-*.whl"))


@pytest.fixture
def python(tmp_path: Path, wheel: Path) -> Path:
    """An environment with the wheel in it, and with this one's packages but not its checkout."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    site_packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # A path named in a .pth file is searched, but the .pth files in it, as that of the editable install, are not read.
    (site_packages / "development.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    return python


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's own program, with the most natural names for its modules."""
    folder = tmp_path / "program"
    folder.mkdir()
    for name in ("workflows", "activities", "worker", "examples"):
        (folder / f"{name}.py").write_text("owner = 'the user'\n")
    return folder


def test_the_wheel_installs_the_package_and_nothing_beside_it(wheel: Path) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert sorted(names) == ["perdure", f"perdure-{wheel.name.split('-')[1]}.dist-info"]


def test_the_wheel_carries_every_file_of_the_rooms(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    rooms = [ROOT / name for name in ("workflows", "activities", "examples")]
    files = [file.relative_to(ROOT) for room in rooms for file in room.rglob("*") if file.is_file()]
    expected = {f"perdure/{file}" for file in files if "__pycache__" not in file.parts} | {"perdure/worker.py"}
    assert expected <= inside


def test_every_module_of_the_wheel_can_be_imported_beside_a_users_own_modules(python: Path, folder: Path) -> None:
    imported = run(
        python, "-c", "import workflows, activities, worker, examples\n" + EVERY_MODULE, folder=folder
    ).split()
    assert {"perdure.workflows", "perdure.activities", "perdure.worker", "perdure.examples"} <= set(imported)


def test_a_room_of_the_wheel_is_found_beside_a_users_own_modules(python: Path, folder: Path) -> None:
    code = "import workflows; from perdure.rooms import load_room\n"
    code += (
        "print(*[load_room(room).__name__ for room in ('workflows', 'activities.providers', 'worker', 'examples')])\n"
    )
    found = run(python, "-c", code + "print(workflows.owner)", folder=folder).splitlines()
    assert found == ["perdure.workflows perdure.activities.providers perdure.worker perdure.examples", "the user"]


def test_the_wheel_installs_the_command(python: Path, folder: Path) -> None:
    assert python.with_name("perdure").is_file()


@pytest.mark.network
def test_the_wheel_lives_beside_llama_index_workflows(python: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", LLAMA_INDEX_WORKFLOWS]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{LLAMA_INDEX_WORKFLOWS} cannot be installed here: {done.stderr[-300:]}")
    code = "import workflows; from perdure.rooms import load_room\n"
    code += "print(workflows.Workflow.__name__, load_room('workflows').__name__)"
    assert run(python, "-c", code, folder=tmp_path).split() == ["Workflow", "perdure.workflows"]


def test_an_editable_install_copies_no_code(tmp_path: Path) -> None:
    code = f"import hatchling.build as backend; print(backend.build_editable({str(tmp_path)!r}))"
    editable = tmp_path / run(sys.executable, "-c", code).split()[-1]
    assert [name for name in zipfile.ZipFile(editable).namelist() if name.endswith(".py")] == []
