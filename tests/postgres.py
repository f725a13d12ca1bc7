"""A PostgreSQL server of the tests' own, where its programs are installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

DATABASE = "postgres"


def programs() -> Path | None:
    """The folder with `initdb` and `pg_ctl`, as Debian's package has it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _other_user() -> pwd.struct_passwd | None:
    """Whom the server runs as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


class Postgres:
    """A server on a port of its own, in a folder of its own; it can be stopped and started again."""

    def __init__(self, bin: Path) -> None:
        self._bin = bin
        self._user = _other_user()
        self._folder = Path(tempfile.mkdtemp(prefix="perdure-postgres-"))
        if self._user is not None:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._run("initdb", "--auth=trust", "--username=app", "--no-sync")

    @property
    def url(self) -> str:
        """Its address for SQLAlchemy."""
        return f"postgresql+asyncpg://app@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -c fsync=off -k {self._folder} -p {self.port}"
        self._run("pg_ctl", "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        owner = self._user
        done = subprocess.run(
            [str(self._bin / program), "-D", str(self._folder / "data"), *arguments],
            cwd=self._folder, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            **({} if owner is None else {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}),
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stderr}"


def postgres_or_skip() -> Postgres:
    """A server that runs."""
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    server = Postgres(found)
    server.start()
    return server
