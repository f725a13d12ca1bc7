from __future__ import annotations

import stat
from pathlib import Path

import platformdirs
import pytest

from perdure.server.home import Home, data_home


def test_the_environment_names_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_HOME", str(tmp_path))
    assert data_home() == tmp_path.resolve()


@pytest.mark.parametrize("configured", [None, ""])
def test_without_it_the_system_decides(configured: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERDURE_HOME", raising=False)
    if configured is not None:
        monkeypatch.setenv("PERDURE_HOME", configured)
    assert data_home() == Path(platformdirs.user_data_dir("perdure", appauthor=False)).resolve()


def test_a_relative_folder_and_a_link_to_it_have_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERDURE_HOME", "link")
    assert data_home() == (tmp_path / "real").resolve()


def test_a_home_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / "home")
    home.create()
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    assert home.blobs.is_dir()
    assert home.queues.is_dir()
