"""What takes over a second says so at a terminal, and nowhere else."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys

from rich.console import Console

from perdure.cli.progress import Progress

WORKS = """
import sys
from perdure.cli.ending import finish
from perdure.cli.screen import Line, Screen

screen = Screen(as_json=False)

def work():
    sys.stdin.readline()
    screen.show({}, [Line("done")])
    return 0

finish(screen, work, busy="counting sheep")
"""


def test_at_a_terminal_it_says_what_takes_so_long_until_there_is_an_answer() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", WORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs,
        env={**os.environ, "TERM": "xterm", "NO_COLOR": "1"},
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while b"counting sheep" not in said:
        said += os.read(ours, 1000)
    out, _ = process.communicate(b"\n", timeout=60)
    assert (process.returncode, out) == (0, b"done\n")
    while b"\x1b[?25h" not in said:  # the cursor is there again
        said += os.read(ours, 1000)
    os.close(ours)


def test_elsewhere_nothing_is_said() -> None:
    said = io.StringIO()
    progress = Progress(Console(file=said))
    progress.begin("counting sheep")
    progress.tell("sheep 7")
    assert not progress.is_shown
    progress.end()
    assert said.getvalue() == ""
