"""`perdure dev`: a worker that starts anew whenever the user's files change, and loses nothing by it.

The old worker is told to stop and ends its steps while the new one takes the next ones: what is under way is neither
cut off nor done twice, and runs go on with the new code.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from perdure.cli.ending import ExitCode
from perdure.cli.screen import Line, Screen
from perdure.cli.watched_files import WatchedFiles

_LOOK_SECONDS = 0.4
_SHARE_OF_TIME = 20  # a look takes at most one part in so many
_GRACEFUL_SECONDS = 60
_SHOWN_FILES = 3


def develop(screen: Screen, module: str, queue: str) -> int:
    """Serves a module until Ctrl-C or SIGTERM."""
    watched = WatchedFiles(_roots(module))
    workers = _Workers(screen, module, queue)
    signal.signal(signal.SIGTERM, _interrupt)
    screen.show(None, [Line(f"perdure dev: serves {module} and starts anew when a file changes; Ctrl-C ends it.")])
    try:
        workers.renew()
        pause = _LOOK_SECONDS
        while True:
            time.sleep(pause)
            began = time.monotonic()
            if changed := watched.changed():
                while more := _settled(watched):
                    changed = [*changed, *(name for name in more if name not in changed)]
                workers.renew(_named(changed))
            pause = max(_LOOK_SECONDS, _SHARE_OF_TIME * (time.monotonic() - began))
            workers.look_after()
    except KeyboardInterrupt:
        screen.show(None, [Line("perdure dev: stopping; steps under way end first (Ctrl-C again does not wait)")])
        workers.stop()
        screen.show(None, [Line("perdure dev: stopped. An embedded server goes on; `perdure server stop` ends it.")])
    return ExitCode.OK


def _settled(watched: WatchedFiles) -> list[str]:
    """What changes a moment later: an editor or a checkout writes several files."""
    time.sleep(_LOOK_SECONDS / 2)
    return watched.changed()


def _roots(module: str) -> list[Path]:
    """The working directory, and the module's own folder if that is elsewhere."""
    here = Path.cwd()
    try:
        found = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        found = None
    origin = Path(found.origin).resolve().parent if found is not None and found.origin else here
    return [here] if origin.is_relative_to(here) or "site-packages" in origin.parts else [here, origin]


def _named(changed: list[str]) -> str:
    shown = ", ".join(os.path.relpath(name) for name in changed[:_SHOWN_FILES])
    return f"{shown} and {len(changed) - _SHOWN_FILES} more" if len(changed) > _SHOWN_FILES else shown


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class _Workers:
    """The worker of the newest code, and those before it that end their steps."""

    def __init__(self, screen: Screen, module: str, queue: str) -> None:
        self._screen = screen
        self._command = [
            *(sys.executable, "-m", "perdure.cli", "worker", module),
            *("--queue", queue, "--graceful", str(_GRACEFUL_SECONDS)),
        ]
        self._newest: subprocess.Popen[bytes] | None = None
        self._leaving: list[subprocess.Popen[bytes]] = []

    def renew(self, changed: str = "") -> None:
        """Starts a worker with the code as it is now; the one before takes no more steps."""
        if changed:
            self._screen.show(None, [Line(f"perdure dev: {changed} changed; a new worker is started", "bold")])
        if self._newest is not None:
            _tell(self._newest, signal.SIGTERM)
            self._leaving.append(self._newest)
        # In a group of its own, so that Ctrl-C reaches it once, from here.
        self._newest = subprocess.Popen(self._command, start_new_session=True)

    def look_after(self) -> None:
        """Says when the worker has ended by itself, as with a module that cannot be imported."""
        self._leaving = [worker for worker in self._leaving if worker.poll() is None]
        if self._newest is not None and (code := self._newest.poll()) is not None:
            self._newest = None
            text = f"perdure dev: the worker has ended with code {code}; it is started again when a file changes"
            self._screen.show(None, [Line(text, "bold red")])

    def stop(self) -> None:
        """Tells all workers to stop and waits for them; a second Ctrl-C ends them."""
        workers = [*self._leaving, *([self._newest] if self._newest is not None else [])]
        if self._newest is not None:
            _tell(self._newest, signal.SIGTERM)
        try:
            for worker in workers:
                worker.wait()
        except KeyboardInterrupt:
            for worker in workers:
                _tell(worker, signal.SIGKILL)
                worker.wait()


def _tell(worker: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if worker.poll() is None:
        worker.send_signal(number)
