"""Where Perdure keeps its data on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs


def data_home() -> Path:
    """The folder of Perdure's data: `PERDURE_HOME`, else the place that this system has for a user's data.

    Links are resolved, so that one folder has one name and gets one server. The folder may not exist yet.
    """
    configured = os.environ.get("PERDURE_HOME")
    folder = Path(configured).expanduser() if configured else platformdirs.user_data_path("perdure", appauthor=False)
    return folder.resolve()


@dataclass(frozen=True, slots=True)
class Home:
    """The files of one data folder."""

    root: Path

    @property
    def database(self) -> Path:
        """The embedded server's SQLite file: every run and its history."""
        return self.root / "temporal.db"

    @property
    def record(self) -> Path:
        """What is known of the embedded server that was started last."""
        return self.root / "server.json"

    @property
    def lock(self) -> Path:
        """Held while the embedded server is started or stopped."""
        return self.root / "server.lock"

    @property
    def log(self) -> Path:
        """The embedded server's output."""
        return self.root / "server.log"

    @property
    def blobs(self) -> Path:
        """Items too large for a history, by digest."""
        return self.root / "blobs"

    @property
    def queues(self) -> Path:
        """One lock file for each task queue that a process of this machine serves."""
        return self.root / "queues"

    def create(self) -> None:
        """Make the folders that are missing, readable by their owner alone: prompts and results are private.

        Raises:
            OSError: A folder cannot be made.
        """
        for folder in (self.root, self.blobs, self.queues):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
