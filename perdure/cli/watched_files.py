"""The files of a program under development: which of them have changed since the last look."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

_SUFFIXES = (".py", ".toml", ".json", ".yaml", ".yml", ".md", ".txt", ".jinja", ".j2")
_NOT_OURS = {"__pycache__", "node_modules", "site-packages", "build", "dist"}

Seen: TypeAlias = dict[str, tuple[int, int]]  # when each was written, and its size


class WatchedFiles:
    """The sources and texts below some folders; hidden folders, environments and what tools make are left out."""

    def __init__(self, roots: list[Path]) -> None:
        self._roots = roots
        self._seen = self._look()

    def changed(self) -> list[str]:
        """The files that were written, made or removed since the last time."""
        now = self._look()
        names = sorted(name for name in {*now, *self._seen} if now.get(name) != self._seen.get(name))
        self._seen = now
        return names

    def _look(self) -> Seen:
        return {name: seen for root in self._roots for name, seen in _files(root)}


def _files(root: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if _is_ours(folder, name)]
        for name in names:
            if name.endswith(_SUFFIXES):
                path = os.path.join(folder, name)
                try:
                    found = os.stat(path)
                except OSError:  # it is gone again, as an editor's temporary file
                    continue
                yield path, (found.st_mtime_ns, found.st_size)


def _is_ours(folder: str, name: str) -> bool:
    environment = os.path.join(folder, name, "pyvenv.cfg")
    return not name.startswith(".") and name not in _NOT_OURS and not os.path.exists(environment)
