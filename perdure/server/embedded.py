"""The embedded Temporal server: one for each data folder, started when needed, found again by every later process.

It is the Temporal CLI's development server on a SQLite file. It outlives the script that started it, so a run goes on
when its script dies; when the server itself dies, the next script starts it anew on the same file, on the same ports.

The file is written in WAL mode with `synchronous=NORMAL`: the death of the server loses nothing, but a power cut may
lose the last commits. For production configure a Temporal server (`TEMPORAL_ADDRESS`, `temporal.toml`).
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from perdure.errors import ServerUnavailable
from perdure.server.frontend import HOST, FrontendError, ask, set_retention
from perdure.server.home import Home, data_home
from perdure.server.launch import PROBE_TIMEOUT, PortTakenError, choose_ports, kill, launched
from perdure.server.lock import exclusive_lock
from perdure.server.process import end_process, find_process, find_processes
from perdure.server.record import Ports, Record, ServerInfo, read_record, write_record

RETENTION = timedelta(days=90)  # of closed runs
CLI_RETENTION = timedelta(days=1)  # what the development server gives a new namespace
LOCK_TIMEOUT = timedelta(seconds=120)  # longer than a slow end and a slow start together
ANSWER_TIMEOUT = timedelta(seconds=4)  # of a server that runs; 3 ms on an idle machine
STOP_GRACE = timedelta(seconds=10)  # an orderly end takes 1-1.5 s
REPLACE_GRACE = timedelta(seconds=3)  # for a server that already failed to answer
PORT_ATTEMPTS = 3

logger = logging.getLogger(__name__)


def ensure_server() -> ServerInfo:
    """The embedded server of `data_home()`, started if it does not run, replaced if it does not answer.

    Blocks (about 0.5 s for the very first start, then milliseconds). Any number of threads and processes may call it
    at once: they get the same server.

    Raises:
        ServerUnavailable: It cannot be started; the message says why and what to do.
    """
    home = Home(data_home())
    seen = read_record(home)
    if (running := _answering(home, seen)) is not None:
        return running
    try:
        home.create()
        with exclusive_lock(home.lock, timeout=LOCK_TIMEOUT):
            record = read_record(home)
            # A record that has changed meanwhile is that of a server which somebody else has just started.
            running = None if record == seen else _answering(home, record)
            return running or _start(home, _end_present(home, record))
    except OSError as error:
        raise ServerUnavailable(
            f"The embedded server cannot use its folder {str(home.root)!r}: {error}. "
            "Make the folder writable, or set PERDURE_HOME to another one."
        ) from error


def server_status() -> ServerInfo | None:
    """The embedded server of `data_home()` if it runs and answers, else None; starts nothing."""
    home = Home(data_home())
    return _answering(home, read_record(home))


def stop_server() -> bool:
    """End the embedded server of `data_home()`; its runs go on when it is started again.

    Returns:
        Whether there was one.

    Raises:
        ServerUnavailable: It belongs to another user or does not end.
    """
    home = Home(data_home())
    if not home.root.is_dir():
        return False
    try:
        with exclusive_lock(home.lock, timeout=LOCK_TIMEOUT):
            processes = find_processes(home.database)
            for process in processes:
                end_process(process, home.database, grace=STOP_GRACE)
            return bool(processes)
    except OSError as error:
        raise ServerUnavailable(f"The embedded server's lock {str(home.lock)!r} cannot be taken: {error}.") from error


def _answering(home: Home, record: Record | None) -> ServerInfo | None:
    if record is None or not home.database.exists():  # a server whose file was deleted would lose all at its end
        return None
    process = find_process(record.info.pid, home.database)
    if process is None or process.ports != record.ports:
        return None
    return None if ask(process.ports, timeout=ANSWER_TIMEOUT) is None else record.info


def _end_present(home: Home, record: Record | None) -> Ports | None:
    """End what runs on this database but does not answer or is not recorded.

    Returns:
        The ports of the last server, for the next.
    """
    ports = None if record is None else record.ports
    if record is not None and not home.database.exists():
        logger.warning("%s is gone, and with it every run: starting with an empty database", home.database)
    for process in find_processes(home.database):
        logger.warning("the embedded server (pid %d) does not answer or is unknown: replacing it", process.pid)
        end_process(process, home.database, grace=REPLACE_GRACE)
        ports = process.ports
    return ports


def _start(home: Home, preferred: Ports | None) -> ServerInfo:
    attempt = 1
    while True:
        try:
            return _start_on(home, choose_ports(preferred))
        except PortTakenError:
            if attempt == PORT_ATTEMPTS:
                raise
            attempt, preferred = attempt + 1, None


def _start_on(home: Home, ports: Ports) -> ServerInfo:
    with launched(home, ports) as (process, answer):
        if answer.retention != CLI_RETENTION:  # a retention that somebody chose is kept
            return _recorded(home, ports, process.pid, answer.version)
        try:
            set_retention(ports, RETENTION, timeout=PROBE_TIMEOUT)
        except FrontendError as error:
            raise ServerUnavailable(
                f"The embedded server refused a retention of {RETENTION.days} days: {error}"
            ) from error
        # The server's parts notice a new retention only after some seconds (measured: a run closed within 1.5 s was
        # still kept for one day). A server that starts reads it at once.
        kill(process)
    with launched(home, ports) as (process, answer):
        return _recorded(home, ports, process.pid, answer.version)


def _recorded(home: Home, ports: Ports, pid: int, version: str) -> ServerInfo:
    info = ServerInfo(
        pid=pid,
        address=f"{HOST}:{ports.grpc}",
        ui_url=f"http://{HOST}:{ports.ui}",
        database=home.database,
        log=home.log,
        version=version,
        started_at=datetime.now(UTC),
    )
    write_record(home, Record(info, ports))
    return info
