"""The embedded server's operating system process: found, checked and ended.

A process is ours if its command line is the one we start with our database in it. That identity survives a lost record
and cannot be taken for another process that has got the same id since.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from perdure.errors import ServerUnavailable
from perdure.server.record import Ports

PROC = Path("/proc")
KILL_TIMEOUT = timedelta(seconds=5)  # SIGKILL takes no longer unless the process waits for a broken disk

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A live server process on our database."""

    pid: int
    ports: Ports


def identifying_arguments(database: Path, ports: Ports) -> list[str]:
    """The first arguments of every embedded server, by which its process is recognised."""
    return [
        *("server", "start-dev", "--db-filename", str(database), "--ip", "127.0.0.1"),
        *("--port", str(ports.grpc), "--ui-port", str(ports.ui), "--http-port", str(ports.http)),
    ]


def find_process(pid: int, database: Path) -> ServerProcess | None:
    """The server with this process id, or None if that process has ended or is something else."""
    return _recognise(pid, _command_line(pid), database)


def find_processes(database: Path) -> list[ServerProcess]:
    """Every live server on this database, recorded or not."""
    found = (_recognise(pid, command_line, database) for pid, command_line in _command_lines())
    return [process for process in found if process is not None]


def end_process(process: ServerProcess, database: Path, *, grace: timedelta) -> None:
    """End a server: SIGTERM, and SIGKILL if it is still there after `grace`.

    Raises:
        ServerUnavailable: It may not be ended, or does not end.
    """
    # A stopped process (SIGSTOP) takes SIGTERM only when it goes on.
    for signal_number in (signal.SIGTERM, signal.SIGCONT):
        _send(process.pid, signal_number, database)
    if _wait_for_end(process.pid, database, grace):
        return
    logger.warning("the embedded server (pid %d) ignores SIGTERM and is killed", process.pid)
    _send(process.pid, signal.SIGKILL, database)
    if not _wait_for_end(process.pid, database, KILL_TIMEOUT):
        raise ServerUnavailable(
            f"The embedded server (pid {process.pid}) cannot be ended, not even by SIGKILL. "
            "It may wait for a disk that does not answer."
        )


def _send(pid: int, signal_number: signal.Signals, database: Path) -> None:
    if find_process(pid, database) is None:  # ended meanwhile; its id may already be another's
        return
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        logger.debug("pid %d ended before %s", pid, signal_number.name)
    except PermissionError as error:
        raise ServerUnavailable(
            f"The embedded server (pid {pid}) belongs to another user. End it as that user, or set PERDURE_HOME "
            "to a folder of your own."
        ) from error


def _wait_for_end(pid: int, database: Path, timeout: timedelta) -> bool:
    deadline = time.monotonic() + timeout.total_seconds()
    while find_process(pid, database) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _recognise(pid: int, command_line: str, database: Path) -> ServerProcess | None:
    # Between arguments: NUL in /proc, a space in the output of `ps`.
    arguments = identifying_arguments(database, Ports(0, 0, 0))
    pattern = r"[\0 ]".join(r"(\d+)" if argument == "0" else re.escape(argument) for argument in arguments)
    match = re.match(rf"[^\0]*temporal[\0 ]{pattern}[\0 ]", command_line)
    if match is None:
        return None
    grpc, ui, http = map(int, match.groups())
    return ServerProcess(pid, Ports(grpc, ui, http))


def _command_line(pid: int) -> str:
    """The command line, empty if the process has ended (also if its parent has not collected it yet)."""
    if PROC.joinpath("self").exists():
        try:
            return PROC.joinpath(str(pid), "cmdline").read_text("utf-8", "surrogateescape")
        except OSError:  # gone, or not ours to read
            return ""
    return _ps("-ww", "-o", "command=", "-p", str(pid))


def _command_lines() -> Iterator[tuple[int, str]]:
    if PROC.joinpath("self").exists():
        for entry in PROC.iterdir():
            if entry.name.isdecimal():
                yield int(entry.name), _command_line(int(entry.name))
        return
    for line in _ps("-axww", "-o", "pid=,command=").splitlines():
        pid, _, command_line = line.strip().partition(" ")
        yield int(pid), command_line.lstrip()


def _ps(*arguments: str) -> str:
    """The output of `ps`, for systems without /proc (macOS)."""
    return subprocess.run(["ps", *arguments], capture_output=True, text=True, check=False).stdout
