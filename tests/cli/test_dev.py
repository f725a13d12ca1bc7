"""`perdure dev`: a worker that starts anew when the user's files change, and loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from perdure.cli.watched_files import WatchedFiles
from tests.cli.conftest import READY, Shop, eventually

ECHO = '''
from perdure import Agent, function_tool
from perdure.testing import ScriptedModel, tool_call


@function_tool(needs_approval=True)
async def pay() -> str:
    """Pay."""
    return "paid by {version}"


payer = Agent(name="Payer", model=ScriptedModel([tool_call("pay", {{}}), "Paid."]), tools=[pay])
speaker = Agent(name="Speaker", model=ScriptedModel(["This is {version}."] * 9))
'''


def test_files_that_are_written_made_or_removed_have_changed_and_others_do_not_count(tmp_path: Path) -> None:
    for name in ("shop.py", "texts/prompt.md", ".git/hook.py", "env/pyvenv.cfg", "env/lib.py", "__pycache__/x.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one")
    watched = WatchedFiles([tmp_path])
    assert watched.changed() == []
    (tmp_path / "shop.py").write_text("three")
    (tmp_path / "texts" / "prompt.md").unlink()
    for name in ("new.py", "shop.py.swp", "env/lib.py", ".git/hook.py", "__pycache__/x.py"):
        (tmp_path / name).write_text("another")
    expected = [str(tmp_path / name) for name in ("new.py", "shop.py", "texts/prompt.md")]
    assert watched.changed() == expected
    assert watched.changed() == []


@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_a_change_is_served_by_a_new_worker_and_runs_under_way_go_on(shop: Shop, tmp_path: Path) -> None:
    (shop.folder / "echo.py").write_text(ECHO.format(version="version 1"))
    log = tmp_path / "dev.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "perdure.cli", "dev", "echo", "--queue", "dev"],
            cwd=shop.folder, env=shop.environment(), stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        eventually(lambda: log.read_text().count(READY) == 1, "the first worker is ready", 60)
        assert "Temporal UI: http" in log.read_text()
        assert shop.perdure("run", "Speaker", "?", "--queue", "dev").out == "This is version 1.\n"
        assert shop.perdure("run", "Payer", "?", "--queue", "dev", "--run-id", "dev-pays").code == 4

        (shop.folder / "echo.py").write_text("this is no Python")
        eventually(lambda: "it is started again when a file changes" in log.read_text(), "it says what is wrong", 60)
        assert "echo.py changed" in log.read_text()

        (shop.folder / "echo.py").write_text(ECHO.format(version="version 2"))
        eventually(lambda: log.read_text().count(READY) == 2, "the second worker is ready", 60)
        assert shop.perdure("run", "Speaker", "?", "--queue", "dev").out == "This is version 2.\n"
        assert shop.perdure("approve", "dev-pays", "1.0").code == 0
        assert shop.perdure("run", "Payer", "?", "--queue", "dev", "--run-id", "dev-pays").out == "Paid.\n"
        assert "output 1.0: paid by version 2" in shop.perdure("show", "dev-pays").out

        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "perdure dev: stopped." in log.read_text()
        assert log.read_text().count("INFO perdure.worker: stopped") == 2
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
            process.wait(90)
