"""With keys, nothing that was said, done or known in a run can be read from what lies around."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from perdure.keyring import KEYS, new_key

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "end_to_end" / "secret_script.py"
KEY = new_key("2026-11")
ENVIRONMENT_CANARY = "PERDURE_TEST_CANARY"
# What lies in a history beside what the program reads back.
WRITTEN = {
    "approval-reason", "approver", "blob", "blob-end", "by", "changed-context", "context", "error-arguments", "failure",
    "final-output", "group", "guardrail", "input", "instructions", "metadata", "pause-reason", "rejected-arguments",
    "remembered", "sender", "sent", "session", "session-input", "thread-answer", "thread-first", "thread-second",
    "tool-arguments", "tool-error", "tool-result", "trace-metadata",
}  # fmt: skip

TOLD_ON_SPANS = {
    "trace-metadata",
    "group",
    "by",
    "approver",
}  # as docs/telemetry.md says: what `RunConfig` adds, who decided


@dataclass(frozen=True)
class Left:
    """What a program has left behind: the words' mark, what it has said, and the files of its home."""

    mark: str
    said: str
    home: Path
    secret: str

    def files_with(self, text: str) -> list[str]:
        found = [file for file in self.home.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]
        return [file.relative_to(self.home).as_posix() for file in found]

    def words_in_files(self) -> set[str]:
        data = b"".join(file.read_bytes() for file in self.home.rglob("*") if file.is_file())
        return {name for name in WRITTEN if f"canary-{name}-{self.mark}".encode() in data}


def ran(folder: Path, **environment: str) -> Left:
    """The program, on a server of its own, with its spans on standard output; what it leaves is kept as it was then."""
    home, session, kept = folder / "home", folder / "session", folder / "kept"
    mark, secret = uuid.uuid4().hex, f"environment-{uuid.uuid4().hex}"
    session.mkdir()
    given = {name: value for name, value in os.environ.items() if not name.startswith(("PERDURE_", "TEMPORAL_"))}
    given |= {"PERDURE_HOME": str(home), "TEMPORAL_CONFIG_FILE": str(folder / "none"), "PYTHONPATH": str(ROOT)}
    given |= {"OTEL_TRACES_EXPORTER": "console", ENVIRONMENT_CANARY: secret, "OPENAI_API_KEY": secret, **environment}
    try:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), mark, str(session)],
            env=given, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        subprocess.run(["cp", "-r", str(home), str(kept)], check=True)  # with the write-ahead log
    finally:
        subprocess.run([sys.executable, "-m", "perdure.cli", "server", "stop"], env=given, check=True)
    return Left(mark, done.stdout + done.stderr, kept, secret)


def test_no_byte_of_database_logs_spans_and_blobs_tells_what_a_run_is_about(tmp_path: Path) -> None:
    left = ran(tmp_path, **{KEYS: f"{KEY.id}:{KEY.text}"})
    assert any(file.suffix == ".db" or file.name.endswith("-wal") for file in left.home.rglob("*"))
    assert left.words_in_files() == set()
    assert left.files_with(left.mark) == []
    logs, met = left.said.rsplit("\nmet: ", 1)
    assert len(met.split()) >= 12
    assert '"name": "invoke_agent Refunds"' in logs
    assert set(re.findall(rf"canary-([a-z-]+)-{left.mark}", logs)) <= TOLD_ON_SPANS
    for key in (KEY.text, KEY.secret.hex(), left.secret):
        assert left.files_with(key) == []
        assert key not in left.said


@pytest.mark.thorough
def test_without_keys_the_same_words_are_found_but_no_environment_variable(tmp_path: Path) -> None:
    left = ran(tmp_path)
    assert left.words_in_files() == WRITTEN
    assert left.files_with(left.secret) == []
    assert left.secret not in left.said
