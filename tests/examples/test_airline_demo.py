from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from examples.airline import demo
from examples.airline.conversations import load
from examples.airline.store import DATA_DIR
from examples.airline.telling import call_text, shortened, shown
from examples.airline.workers import WorkerEndedError, Workers

ROOT = Path(__file__).parents[2]
FIELDS = ["id", "outputs_compared", "outputs_equal", "outputs_recorded", "turns", "approvals", "kills_survived"]
FIELDS += ["history_events", "history_bytes", "changes", "equal", "ui"]

Edit = Callable[[dict[str, Any]], None]


def started_demo(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The demo in a process of its own, with its temporary folders inside `folder`."""
    return subprocess.Popen(
        [sys.executable, "-m", "examples.airline.demo", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def data_with(folder: Path, *ids: str, edit: Edit | None = None) -> Path:
    """A data folder with some of our conversations, each edited."""
    folder.mkdir()
    for name in ("users.json", "reservations.json", "flights.json"):
        shutil.copy(DATA_DIR / name, folder)
    lines = (json.loads(line) for line in (DATA_DIR / "conversations.jsonl").read_text(encoding="utf-8").splitlines())
    kept = [line for line in lines if line["id"] in ids]
    for line in kept:
        if edit is not None:
            edit(line)
    (folder / "conversations.jsonl").write_text("\n".join(map(json.dumps, kept)), encoding="utf-8")
    return folder


@pytest.mark.thorough
def test_workers_killed_before_and_after_a_change_and_in_a_model_call_change_nothing(tmp_path: Path) -> None:
    data = data_with(tmp_path / "data", "task05-trial1", "task35-trial0")
    printed, errors = (process := started_demo(tmp_path, "--all", "--json", "--data", str(data))).communicate()
    lines = {line["id"]: line for line in map(json.loads, printed.splitlines())}
    assert errors == ""
    assert process.returncode == 0
    assert sorted(lines) == ["task05-trial1", "task35-trial0"]
    assert all(list(line) == FIELDS and line["equal"] for line in lines.values())
    assert lines["task35-trial0"]["kills_survived"] == 1
    assert lines["task35-trial0"]["changes"] == []
    changing = lines["task05-trial1"]
    assert changing["outputs_compared"] == changing["outputs_equal"] == changing["outputs_recorded"] == 6
    assert changing["approvals"] == 3
    assert changing["kills_survived"] >= 1  # the second is too late if the worker reports before it dies
    assert changing["changes"]
    assert "STARTS_WITH" in changing["ui"]


@pytest.mark.thorough
def test_an_output_that_differs_from_the_recording_is_named(tmp_path: Path) -> None:
    def tamper(conversation: dict[str, Any]) -> None:
        answer = next(each for each in conversation["messages"] if each["role"] == "tool")
        answer["content"] = answer["content"].replace("2024", "2025")

    data = data_with(tmp_path / "data", "task35-trial0", edit=tamper)
    process = started_demo(tmp_path, "--no-kill", "--data", str(data))
    printed, errors = process.communicate()
    (call,) = [call for turn in load(data)[0].turns for step in turn.steps for call in step.calls]
    assert process.returncode == 1
    assert f"task35-trial0: output of {call.name}" in errors
    assert "recorded" in errors
    assert "2025" in errors
    assert "1 of tools recorded, 1 compared, 0 equal" in printed


@pytest.mark.thorough
def test_ctrl_c_ends_the_worker_and_removes_the_database(tmp_path: Path) -> None:
    process = started_demo(tmp_path, "--conversation", "task35-trial0")
    assert process.stdout is not None
    while not process.stdout.readline().startswith("worker"):
        assert process.poll() is None
    workers = [
        each for each in psutil.Process(process.pid).children() if "examples.airline.agent" in " ".join(each.cmdline())
    ]
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "interrupted" in errors
    assert len(workers) == 1
    assert not workers[0].is_running()
    assert list(tmp_path.glob("perdure-demo-*")) == []


async def test_a_worker_that_cannot_start_says_why() -> None:
    async with Workers("unused", {"TEMPORAL_ADDRESS": "127.0.0.1:1"}) as workers:
        with pytest.raises(WorkerEndedError, match=r"127\.0\.0\.1:1"):
            await workers.start()


def test_an_unknown_conversation_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--conversation", "task99-trial9"]) == 2
    assert "'task99-trial9'" in capsys.readouterr().err


def test_a_folder_without_data_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--data", str(tmp_path)]) == 2
    assert "conversations.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{", "[]", '{"HAT001": 1}'])
def test_a_malformed_table_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    data = data_with(tmp_path / "data", "task35-trial0")
    (data / "flights.json").write_text(content, encoding="utf-8")
    assert demo.main(["--data", str(data)]) == 2
    assert "flights.json" in capsys.readouterr().err


def test_a_recorded_tool_that_the_agent_lacks_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def rename(conversation: dict[str, Any]) -> None:
        calls = [call for message in conversation["messages"] for call in message.get("tool_calls") or []]
        calls[0]["function"]["name"] = "teleport"

    assert demo.main(["--data", str(data_with(tmp_path / "data", "task35-trial0", edit=rename))]) == 2
    assert "teleport" in capsys.readouterr().err


def test_what_a_model_writes_cannot_steer_the_terminal() -> None:
    assert shown("a\x1b[2J\u202eb") == "a\\x1b[2J\\u202eb"


def test_a_call_is_told_as_it_would_stand_in_code() -> None:
    assert call_text("refund", '{"order_id": "7", "amount": 40}') == "refund(order_id='7', amount=40)"
    assert call_text("refund", "no JSON") == "refund(no JSON)"


def test_a_long_text_is_shortened_and_says_how_long_it_was() -> None:
    assert shortened("x" * 1000).endswith("... (1000 characters)")
    assert shortened("short") == "short"
