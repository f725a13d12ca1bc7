from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from perdure.errors import ServerUnavailable
from perdure.server import ServerInfo, ensure_server, server_status, stop_server
from perdure.server.frontend import ask, set_retention
from perdure.server.home import Home
from perdure.server.record import read_record
from tests.perdure.server.processes import Script, is_alive, servers_on

ENSURE = "from perdure.server import ensure_server; print(ensure_server().pid)"


async def close_a_run(server: ServerInfo, run_id: str) -> None:
    client = await Client.connect(server.address)
    handle = await client.start_workflow("Any", id=run_id, task_queue="nobody")
    await handle.terminate()


def test_the_first_call_starts_a_server_that_outlives_its_script(home: Path) -> None:
    pid = int(Script(ENSURE).output())
    status = server_status()
    assert status is not None
    assert status.pid == pid
    assert status.database == home / "temporal.db"
    assert status.version.startswith("1.")
    assert abs(datetime.now(UTC) - status.started_at) < timedelta(seconds=30)
    assert os.getsid(pid) == pid  # a session of its own: Ctrl-C in the script's terminal does not reach it


def test_a_running_server_is_reused_by_another_process(home: Path) -> None:
    server = ensure_server()
    assert int(Script(ENSURE).output()) == server.pid
    assert ensure_server() == server


@pytest.mark.thorough
def test_processes_that_start_at_once_end_with_one_server(home: Path) -> None:
    scripts = [Script(ENSURE) for _ in range(4)]
    pids = {int(script.output()) for script in scripts}
    assert len(pids) == 1
    assert servers_on(home) == list(pids)


def test_threads_that_start_at_once_end_with_one_server(home: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        servers = set(pool.map(lambda _: ensure_server(), range(4)))
    assert len(servers) == 1
    assert servers_on(home) == [servers.pop().pid]


async def test_a_killed_server_is_started_anew_with_its_runs_and_ports(home: Path) -> None:
    first = ensure_server()
    await close_a_run(first, "earlier")
    os.kill(first.pid, signal.SIGKILL)
    second = ensure_server()
    assert second.pid != first.pid
    assert (second.address, second.ui_url) == (first.address, first.ui_url)
    client = await Client.connect(second.address)
    assert [run.id async for run in client.list_workflows()] == ["earlier"]


def test_a_server_whose_record_is_lost_is_replaced_on_the_same_ports(home: Path) -> None:
    first = ensure_server()
    (home / "server.json").unlink()
    second = ensure_server()
    assert second.address == first.address
    assert servers_on(home) == [second.pid]


def test_a_damaged_record_is_ignored(home: Path) -> None:
    ensure_server()
    (home / "server.json").write_text('{"info": {"pid": "')
    second = ensure_server()
    assert servers_on(home) == [second.pid]


def test_a_foreign_process_with_the_recorded_id_is_left_alone(home: Path) -> None:
    first = ensure_server()
    assert stop_server()
    foreign = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        record = json.loads((home / "server.json").read_text())
        record["info"]["pid"] = foreign.pid
        (home / "server.json").write_text(json.dumps(record))
        assert server_status() is None
        second = ensure_server()
        assert second.pid != foreign.pid
        assert second.address == first.address
        assert stop_server()
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


@pytest.mark.thorough
def test_a_server_that_lives_but_does_not_answer_is_replaced(home: Path) -> None:
    first = ensure_server()
    os.kill(first.pid, signal.SIGSTOP)
    second = ensure_server()
    assert not is_alive(first.pid)
    assert second.pid != first.pid
    assert second.address == first.address


def test_a_server_whose_database_was_deleted_is_replaced(home: Path) -> None:
    first = ensure_server()
    for file in home.glob("temporal.db*"):
        file.unlink()
    second = ensure_server()
    assert not is_alive(first.pid)
    assert second.database.exists()


def test_a_taken_port_is_exchanged_for_a_free_one(home: Path) -> None:
    first = ensure_server()
    stop_server()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(first.address.rpartition(":")[2])))
        taken.listen()
        second = ensure_server()
    assert second.address != first.address


def test_stopping_ends_the_server_and_says_whether_there_was_one(home: Path) -> None:
    assert not stop_server()
    assert not home.exists()
    server = ensure_server()
    assert stop_server()
    assert not is_alive(server.pid)
    assert server_status() is None
    assert not stop_server()


async def test_runs_are_kept_for_90_days_from_the_very_first(home: Path) -> None:
    server = ensure_server()
    await close_a_run(server, "first")
    client = await Client.connect(server.address)
    namespace = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="default"))
    assert namespace.config.workflow_execution_retention_ttl.ToTimedelta() == timedelta(days=90)
    stop_server()
    with sqlite3.connect(server.database) as database:
        rows = database.execute("select visibility_timestamp from timer_tasks").fetchall()
    # The timer that deletes the run; the server adds up to an hour of jitter.
    deletion = max(datetime.fromisoformat(str(row[0])) for row in rows)
    assert timedelta(days=89) < deletion - datetime.now(UTC) < timedelta(days=91)


def test_a_retention_that_somebody_chose_is_kept(home: Path) -> None:
    ensure_server()
    record = read_record(Home(home))
    assert record is not None
    set_retention(record.ports, timedelta(days=7), timeout=timedelta(seconds=5))
    stop_server()
    ensure_server()
    answer = ask(record.ports, timeout=timedelta(seconds=5))
    assert answer is not None
    assert answer.retention == timedelta(days=7)


def test_a_folder_that_cannot_be_used_is_named_in_the_error(home: Path) -> None:
    home.write_text("a file in the folder's place")
    with pytest.raises(ServerUnavailable, match=r"cannot use its folder '.*data home'.*set PERDURE_HOME"):
        ensure_server()


def test_a_damaged_database_is_named_and_leaves_no_server_behind(home: Path) -> None:
    home.mkdir()
    (home / "temporal.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(ServerUnavailable, match=r"(?s)The database is damaged.*file is not a database"):
        ensure_server()
    assert servers_on(home) == []
    assert (home / "temporal.db").read_bytes().startswith(b"not a database")


def test_an_interrupted_start_leaves_no_server_behind(home: Path) -> None:
    script = Script(
        "import signal, threading, time, os\n"
        "from perdure.server import ensure_server\n"
        "def interrupt():\n"
        "    while not os.path.exists(os.environ['PERDURE_HOME'] + '/temporal.db'): time.sleep(0.001)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "threading.Thread(target=interrupt, daemon=True).start()\n"
        "try:\n"
        "    ensure_server()\n"
        "    print('started')\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    assert script.output() == "interrupted"
    assert servers_on(home) == []


def test_a_server_that_ends_under_a_living_starter_leaves_no_zombie(home: Path) -> None:
    server = ensure_server()
    os.kill(server.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while psutil.pid_exists(server.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not psutil.pid_exists(server.pid)
