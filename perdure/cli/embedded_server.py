"""`perdure server`: the embedded Temporal server of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from perdure.cli.ending import ExitCode, tell
from perdure.cli.screen import Line, Screen
from perdure.errors import ServerUnavailable
from perdure.server import ServerInfo, data_home, ensure_server, server_status, stop_server


def _start(screen: Screen) -> int:
    try:
        info = ensure_server()
    except ServerUnavailable as error:
        return tell(screen, error)
    _show(screen, info)
    return ExitCode.OK


def _stop(screen: Screen) -> int:
    try:
        stopped = stop_server()
    except ServerUnavailable as error:
        return tell(screen, error)
    text = "The embedded server is stopped; its runs wait." if stopped else "The embedded server was not running."
    screen.show({"running": False, "stopped": stopped}, [Line(text)])
    return ExitCode.OK


def _status(screen: Screen) -> int:
    info = server_status()
    if info is not None:
        _show(screen, info)
        return ExitCode.OK
    text = f"The embedded server does not run (data in {data_home()}); `perdure server start` starts it."
    screen.show({"running": False, "home": str(data_home())}, [Line(text)])
    return ExitCode.NO_SERVER


COMMANDS: dict[str, Callable[[Screen], int]] = {"start": _start, "stop": _stop, "status": _status}


def _show(screen: Screen, info: ServerInfo) -> None:
    document: dict[str, Any] = {"running": True, **asdict(info)}
    shown = {
        "address": info.address,
        "Temporal UI": info.ui_url,
        "database": str(info.database),
        "log": str(info.log),
        "version": info.version,
        "process": f"{info.pid}, since {info.started_at.isoformat(timespec='seconds')}",
    }
    screen.show(document, [Line(f"{name:<11}  {value}") for name, value in shown.items()])
    if configured := os.environ.get("TEMPORAL_ADDRESS"):
        screen.note(f"TEMPORAL_ADDRESS is set: runs go to the server at {configured}, not to this one.")
