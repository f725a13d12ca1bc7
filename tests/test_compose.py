from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = json.loads((ROOT / "tests/data/compose-spec/compose-spec.json").read_text())
LONGEST_MODEL_CALL_MINUTES = 10


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def problems(document: dict[str, Any]) -> list[str]:
    # The schema names draft 2019-09 but is written in draft 7 (`definitions`), as Compose itself reads it.
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(SCHEMA).iter_errors(document)]


def test_the_compose_file_follows_the_compose_specification(compose: dict[str, Any]) -> None:
    assert problems(compose) == []


def test_the_schema_refuses_what_compose_refuses(compose: dict[str, Any]) -> None:
    worker = {**compose["services"]["worker"], "stop_grace_time": "11m"}
    assert problems({**compose, "services": {"worker": worker}}) != []


def test_the_compose_file_runs_one_server_and_one_worker(compose: dict[str, Any]) -> None:
    assert sorted(compose["services"]) == ["temporal", "worker"]


def test_the_servers_image_is_pinned(compose: dict[str, Any]) -> None:
    assert re.fullmatch(r"temporalio/temporal:\d+\.\d+\.\d+", compose["services"]["temporal"]["image"])


def test_the_servers_flags_are_ones_that_the_temporal_cli_knows(compose: dict[str, Any]) -> None:
    temporal = Path(sys.executable).with_name("temporal")
    known = subprocess.run(
        [temporal, "server", "start-dev", "--help"], capture_output=True, text=True, check=True
    ).stdout
    flags = [part.split("=")[0] for part in compose["services"]["temporal"]["command"] if part.startswith("--")]
    assert flags
    assert [flag for flag in flags if f" {flag} " not in known] == []


def test_the_servers_database_lies_in_a_named_volume(compose: dict[str, Any]) -> None:
    server = compose["services"]["temporal"]
    database = next(part for part in server["command"] if part.startswith("--db-filename=")).split("=")[1]
    volume, folder = server["volumes"][0].split(":")
    assert volume in compose["volumes"]
    assert Path(database).parent == Path(folder)


def test_the_servers_ports_are_open_to_this_machine_alone(compose: dict[str, Any]) -> None:
    assert all(port.startswith("127.0.0.1:") for port in compose["services"]["temporal"]["ports"])


def test_the_worker_waits_for_a_healthy_server_and_finds_it(compose: dict[str, Any]) -> None:
    worker = compose["services"]["worker"]
    assert worker["depends_on"] == {"temporal": {"condition": "service_healthy"}}
    assert "healthcheck" in compose["services"]["temporal"]
    assert worker["environment"]["TEMPORAL_ADDRESS"] == "temporal:7233"


def test_a_stopping_worker_has_longer_than_the_longest_model_call(compose: dict[str, Any]) -> None:
    minutes = re.fullmatch(r"(\d+)m", compose["services"]["worker"]["stop_grace_period"])
    assert minutes is not None
    assert int(minutes[1]) > LONGEST_MODEL_CALL_MINUTES


def test_the_default_app_is_a_module_of_the_checkout(compose: dict[str, Any]) -> None:
    default = re.fullmatch(r"\$\{PERDURE_APP:-([\w.]+)\}", compose["services"]["worker"]["command"][0])
    assert default is not None
    assert (ROOT / (default[1].replace(".", "/") + ".py")).is_file()


def test_the_workers_image_does_not_run_as_root() -> None:
    users = [line.split()[1] for line in dockerfile() if line.startswith("USER ")]
    assert users
    assert users[-1] not in {"root", "0"}


def test_everything_the_image_copies_exists_and_is_not_ignored() -> None:
    copied = [source for line in dockerfile() if line.startswith("COPY ") for source in shlex.split(line)[1:-1]]
    allowed = [line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"]
    assert sorted(copied) == sorted(allowed)
    assert [source for source in copied if not (ROOT / source).exists()] == []


def dockerfile() -> list[str]:
    return (ROOT / "Dockerfile").read_text().splitlines()
