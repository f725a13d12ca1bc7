from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path

import pytest

from perdure.errors import ServerUnavailable
from perdure.server.lock import exclusive_lock
from tests.perdure.server.processes import Script


def test_a_held_lock_is_refused_after_the_timeout(tmp_path: Path) -> None:
    with (
        exclusive_lock(tmp_path / "lock", timeout=timedelta(0)),
        pytest.raises(ServerUnavailable, match=r"has held '.*lock' for 0\.1 s"),
        exclusive_lock(tmp_path / "lock", timeout=timedelta(seconds=0.1)),
    ):
        pass


def test_a_lock_is_free_after_its_holder_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = Script(
        "import os, signal\n"
        "from pathlib import Path\n"
        "from datetime import timedelta\n"
        "from perdure.server.lock import exclusive_lock\n"
        f"with exclusive_lock(Path({str(path)!r}), timeout=timedelta(0)):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    holder.process.communicate(timeout=20)
    assert holder.process.returncode == -signal.SIGKILL
    with exclusive_lock(path, timeout=timedelta(0)):
        assert path.exists()
