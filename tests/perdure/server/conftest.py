from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.perdure.server.processes import servers_on


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty data folder, and no embedded server left in it at the end."""
    folder = tmp_path / "data home"  # with a space, as in macOS' Application Support
    monkeypatch.setenv("PERDURE_HOME", str(folder))
    yield folder
    for pid in servers_on(folder):  # an orderly stop would take a second more for each test
        os.kill(pid, signal.SIGKILL)
