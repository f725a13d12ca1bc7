"""Kept histories: one solid archive for each version of Perdure, with the executions that it has made."""

from __future__ import annotations

import io
import json
import lzma
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

FOLDER = Path(__file__).parent
SUFFIX = ".tar.xz"


@dataclass(frozen=True)
class Kept:
    """One execution.

    Attributes:
        name: What it shows and its number there, as `a-handoff/1-run.json`; `1-run.2.json` is what that one went on as.
        workflow_id: The workflow's id, which the history itself does not tell.
        events: The history, as `WorkflowHistory.to_json_dict` gives it.
    """

    name: str
    workflow_id: str
    events: dict[str, Any]

    @property
    def shows(self) -> str:
        """The scenario, or the kind of run."""
        return self.name.partition("/")[0]

    def history(self) -> WorkflowHistory:
        """The history, to be replayed."""
        return WorkflowHistory.from_json(self.workflow_id, self.events)


def archives() -> list[Path]:
    """The archives of all versions."""
    return sorted(FOLDER.glob(f"*{SUFFIX}"))


def archive_of(version: str) -> Path:
    """Where a version's histories lie."""
    return FOLDER / f"{version}{SUFFIX}"


def read(file: Path) -> list[Kept]:
    """What an archive holds."""
    with tarfile.open(file, "r:xz") as archive:
        members = [(member.name, archive.extractfile(member)) for member in archive]
        return [Kept(name, **json.loads(content.read())) for name, content in members if content is not None]


def write(file: Path, kept: Iterable[Kept]) -> None:
    """Makes an archive; the same histories make the same bytes."""
    with (
        lzma.open(file, "wb", preset=9 | lzma.PRESET_EXTREME) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for each in sorted(kept, key=lambda one: one.name):
            value = {"workflow_id": each.workflow_id, "events": each.events}
            content = json.dumps(value, separators=(",", ":")).encode()
            member = tarfile.TarInfo(each.name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
