from __future__ import annotations

import subprocess

import pytest

from perdure.server.launch import PORT_RANGE, choose_ports, temporal_binary
from perdure.server.record import Ports


def test_the_temporal_cli_is_found_when_its_folder_is_not_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    output = subprocess.run([temporal_binary(), "--version"], capture_output=True, text=True, check=True).stdout
    assert output.startswith("temporal version")


def test_free_ports_are_three_and_below_those_of_outgoing_connections() -> None:
    ports = choose_ports(None)
    assert len({ports.grpc, ports.ui, ports.http}) == 3
    assert all(port in PORT_RANGE for port in (ports.grpc, ports.ui, ports.http))


def test_preferred_ports_are_taken_if_free() -> None:
    ports = choose_ports(None)
    assert choose_ports(Ports(ports.grpc, ports.ui, ports.http)) == ports
