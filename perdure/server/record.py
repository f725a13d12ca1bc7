"""What is written down about the embedded server, so that the next process finds it."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from perdure.server.home import Home

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """An embedded server that runs.

    Attributes:
        pid: Its process.
        address: Where it answers gRPC, as `127.0.0.1:port`.
        ui_url: Its Temporal UI.
        database: Its SQLite file.
        log: Its output.
        version: The Temporal server's version.
        started_at: When it was started, in UTC.
    """

    pid: int
    address: str
    ui_url: str
    database: Path
    log: Path
    version: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one embedded server, all on 127.0.0.1."""

    grpc: int
    ui: int
    http: int


@dataclass(frozen=True, slots=True)
class Record:
    """The content of `server.json`. It outlives the server, so that the next one gets the same ports."""

    info: ServerInfo
    ports: Ports


def read_record(home: Home) -> Record | None:
    """The record, or None if there is none or it cannot be read (then the server is found by its command line)."""
    try:
        data: dict[str, Any] = json.loads(home.record.read_text("utf-8"))
        info: dict[str, Any] = data["info"]
        return Record(
            info=ServerInfo(
                pid=int(info["pid"]),
                address=str(info["address"]),
                ui_url=str(info["ui_url"]),
                database=Path(info["database"]),
                log=Path(info["log"]),
                version=str(info["version"]),
                started_at=datetime.fromisoformat(info["started_at"]),
            ),
            ports=Ports(**{name: int(data["ports"][name]) for name in ("grpc", "ui", "http")}),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s cannot be read and is ignored: %r", home.record, error)
        return None


def write_record(home: Home, record: Record) -> None:
    """Replace the record as a whole: who reads meanwhile sees the old one or the new one."""
    draft = home.record.with_suffix(".json.new")  # the lock is held, so no one else writes it
    draft.write_text(json.dumps(asdict(record), default=str, indent=2) + "\n", "utf-8")
    os.replace(draft, home.record)
