"""The files to deploy with: nothing of them could be started here, so what can be known without that is checked."""

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

from perdure.limits import MODEL_TIMEOUT_SECONDS

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = json.loads((ROOT / "tests/data/compose-spec/compose-spec.json").read_text())
ONE_SHOT = {"temporal-schema", "temporal-namespace"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def manifests() -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text())}


@pytest.fixture(scope="module")
def pod(manifests: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return manifests["Deployment"]["spec"]["template"]["spec"]


def problems(document: dict[str, Any]) -> list[str]:
    # The schema names draft 2019-09 but is written in draft 7 (`definitions`), as Compose itself reads it.
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(SCHEMA).iter_errors(document)]


def dockerfile() -> list[str]:
    return (ROOT / "Dockerfile").read_text().splitlines()


def test_the_compose_file_follows_the_compose_specification(compose: dict[str, Any]) -> None:
    assert problems(compose) == []


def test_the_schema_refuses_what_compose_refuses(compose: dict[str, Any]) -> None:
    worker = {**compose["services"]["worker"], "stop_grace_time": "11m"}
    assert problems({**compose, "services": {"worker": worker}}) != []


def test_every_image_that_is_not_built_is_pinned_and_tools_and_server_are_of_one_version(
    compose: dict[str, Any],
) -> None:
    images = [service["image"] for service in compose["services"].values() if "build" not in service]
    assert [image for image in images if not re.search(r":\d+\.\d+(\.\d+)?$", image)] == []
    versions = {image.split(":")[1] for image in images if re.match(r"temporalio/(server|admin-tools):", image)}
    assert len(versions) == 1


def test_what_ends_is_waited_for_until_it_has_ended_and_what_stays_until_it_is_healthy(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for other, how in service.get("depends_on", {}).items() if name != "otel-collector" else ():
            ends = other in ONE_SHOT
            assert how["condition"] == ("service_completed_successfully" if ends else "service_healthy"), (name, other)
            assert ends or "healthcheck" in compose["services"][other]


def test_every_port_is_open_to_this_machine_alone(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_commands_of_the_set_up_are_ones_that_a_shell_and_temporal_can_read(compose: dict[str, Any]) -> None:
    temporal = Path(sys.executable).with_name("temporal")
    for name in ONE_SHOT:
        (script,) = compose["services"][name]["command"]
        script = script.replace("$$", "$")
        assert subprocess.run(["sh", "-n", "-c", script], check=False).returncode == 0
        for line in script.replace("\\\n", " ").splitlines():
            for command in line.split("||"):
                words = shlex.split(command)
                if words[:1] == ["temporal"]:
                    known = subprocess.run(
                        [temporal, *words[1:4], "--help"], capture_output=True, text=True, check=True
                    )
                    flags = [word for word in words if re.fullmatch(r"-\w|--[\w-]+", word)]
                    assert flags
                    assert [flag for flag in flags if flag not in known.stdout] == [], command


def test_data_lies_in_named_volumes(compose: dict[str, Any]) -> None:
    mounts = [mount.split(":")[0] for service in compose["services"].values() for mount in service.get("volumes", [])]
    named = {source for source in mounts if re.fullmatch(r"\w+", source)}
    assert named == set(compose["volumes"]) == {"postgresql", "blobs", "home"}


def test_every_file_that_is_mounted_exists(compose: dict[str, Any]) -> None:
    mounts = [mount for service in compose["services"].values() for mount in service.get("volumes", [])]
    files = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_workers_and_the_command_line_share_server_and_blobs(compose: dict[str, Any]) -> None:
    worker, cli = compose["services"]["worker"], compose["services"]["cli"]
    for name in ("TEMPORAL_ADDRESS", "PERDURE_BLOBS"):
        assert worker["environment"][name] == cli["environment"][name]
    assert "blobs:/blobs" in worker["volumes"]
    assert worker["volumes"] == cli["volumes"]
    assert worker["deploy"]["replicas"] > 1


def test_the_workers_tell_the_collector_which_tells_jaeger(compose: dict[str, Any]) -> None:
    config = yaml.safe_load((ROOT / "deploy/otel-collector.yaml").read_text())
    endpoint = compose["services"]["worker"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"]
    port = config["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].rpartition(":")[2]
    assert endpoint == f"http://otel-collector:{port}"
    assert config["exporters"]["otlp"]["endpoint"].partition(":")[0] in compose["services"]
    for pipeline in config["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(config[kind])


def test_a_stopping_worker_may_go_on_for_longer_than_the_longest_model_call(
    compose: dict[str, Any], pod: dict[str, Any]
) -> None:
    minutes = re.fullmatch(r"(\d+)m", compose["services"]["worker"]["stop_grace_period"])
    assert minutes is not None
    (container,) = pod["containers"]
    for arguments, killed in (
        (compose["services"]["worker"]["command"], int(minutes[1]) * 60),
        (container["args"], pod["terminationGracePeriodSeconds"]),
    ):
        graceful = float(arguments[arguments.index("--graceful") + 1])
        assert MODEL_TIMEOUT_SECONDS < graceful < killed


def test_the_default_app_is_a_module_of_the_image(compose: dict[str, Any]) -> None:
    default = re.fullmatch(r"\$\{PERDURE_APP:-([\w.]+)\}", compose["services"]["worker"]["command"][0])
    assert default is not None
    assert (ROOT / (default[1].replace(".", "/") + ".py")).is_file()


def test_every_variable_of_the_example_is_one_that_the_compose_file_reads() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    names = re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert len(names) > 5
    assert [name for name in names if not re.search(rf"\$\{{{name}[:}}]|^ +{name}:$", text, re.MULTILINE)] == []


def test_the_pods_probes_ask_the_workers_health_at_the_port_where_it_is(
    manifests: dict[str, dict[str, Any]], pod: dict[str, Any]
) -> None:
    (container,) = pod["containers"]
    paths = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
    assert paths == {"startupProbe": "/live", "livenessProbe": "/live", "readinessProbe": "/ready"}
    (port,) = container["ports"]
    assert manifests["ConfigMap"]["data"]["PERDURE_HEALTH_PORT"] == str(port["containerPort"])
    assert all(container[name]["httpGet"]["port"] == port["name"] for name in paths)


def test_the_pod_runs_as_the_images_user_and_mounts_the_blobs(
    manifests: dict[str, dict[str, Any]], pod: dict[str, Any]
) -> None:
    (user,) = [line.split()[1] for line in dockerfile() if line.startswith("USER ")]
    assert pod["securityContext"]["runAsUser"] == int(user) > 0
    (mount,) = pod["containers"][0]["volumeMounts"]
    assert mount["mountPath"] == manifests["ConfigMap"]["data"]["PERDURE_BLOBS"]
    assert manifests["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_image_tells_its_health_where_it_is_asked() -> None:
    text = "\n".join(dockerfile())
    port = re.search(r"PERDURE_HEALTH_PORT=(\d+)", text)
    asked = re.search(r"HEALTHCHECK.*?127\.0\.0\.1:(\d+)/ready", text, re.DOTALL)
    assert port is not None
    assert asked is not None
    assert port[1] == asked[1]


def test_everything_the_image_copies_exists_and_is_not_ignored() -> None:
    copied = [source for line in dockerfile() if line.startswith("COPY ") for source in shlex.split(line)[1:-1]]
    allowed = [line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"]
    assert sorted(copied) == sorted(allowed)
    assert [source for source in copied if not (ROOT / source).exists()] == []
