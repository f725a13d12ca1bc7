from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import grpc.aio
import pytest
from google.protobuf.message import Message
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    GetSystemInfoRequest,
    GetSystemInfoResponse,
)

from perdure.connection import connect, run_url
from perdure.errors import ServerTooOld, ServerUnavailable, UserError
from perdure.server import ensure_server
from perdure.server.home import Home
from tests.perdure.server.processes import servers_on

NOWHERE = "127.0.0.1:1"  # nobody listens on port 1


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No configuration but what a test sets, and an empty data folder."""
    for name in list(os.environ):
        if name.startswith("TEMPORAL_") or name == "PERDURE_UI_URL":
            monkeypatch.delenv(name)
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(folder / "none.toml"))
    monkeypatch.setenv("PERDURE_HOME", str(folder))
    return folder


@pytest.fixture
def embedded(home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of an embedded server that all tests here share, as starting it is what takes time."""
    shared = tmp_path_factory.getbasetemp() / "shared-embedded-server"
    monkeypatch.setenv("PERDURE_HOME", str(shared))
    ensure_server()
    return shared.resolve()


@pytest.fixture(scope="module", autouse=True)
def no_server_is_left(tmp_path_factory: pytest.TempPathFactory) -> Any:
    yield
    for pid in servers_on(tmp_path_factory.getbasetemp() / "shared-embedded-server"):
        os.kill(pid, signal.SIGKILL)


Answer: TypeAlias = Callable[[Any, Any], Awaitable[Message]]


def answer_with(server: grpc.aio.Server, system_info: Answer, namespace: Answer) -> None:
    """Has a gRPC server answer the two calls of a client that connects."""
    calls: dict[str, tuple[type[Message], Answer]] = {
        "GetSystemInfo": (GetSystemInfoRequest, system_info),
        "DescribeNamespace": (DescribeNamespaceRequest, namespace),
    }
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=request.FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )
        for name, (request, answer) in calls.items()
    }
    service = "temporal.api.workflowservice.v1.WorkflowService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


class FakeFrontend:
    """A gRPC frontend that tells a version of its own and knows one namespace."""

    def __init__(self, version: str, *, denies: bool = False) -> None:
        self.version = version
        self.denies = denies
        self.server = grpc.aio.server()
        answer_with(self.server, self.get_system_info, self.describe_namespace)
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"

    async def get_system_info(self, request: GetSystemInfoRequest, context: Any) -> GetSystemInfoResponse:
        return GetSystemInfoResponse(server_version=self.version)

    async def describe_namespace(self, request: DescribeNamespaceRequest, context: Any) -> DescribeNamespaceResponse:
        if self.denies:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "Request unauthorized.")
        return DescribeNamespaceResponse()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[FakeFrontend], Awaitable[str]]]:
    frontends: list[FakeFrontend] = []

    async def start(frontend: FakeFrontend) -> str:
        frontends.append(frontend)
        await frontend.server.start()
        return frontend.address

    yield start
    for frontend in frontends:
        await frontend.server.stop(None)


Serve = Callable[[FakeFrontend], Awaitable[str]]


async def test_without_configuration_it_is_the_embedded_server(embedded: Path) -> None:
    connection = await connect()
    server = ensure_server()
    assert connection.embedded
    assert connection.address == server.address
    assert connection.ui_url == server.ui_url
    assert connection.namespace == "default"
    assert connection.home == embedded
    assert [run async for run in connection.client.list_workflows()] == []


async def test_a_configured_address_is_used_and_starts_no_server(
    embedded: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = ensure_server().address
    monkeypatch.setenv("PERDURE_HOME", str(home))
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    connection = await connect()
    assert not connection.embedded
    assert connection.address == address
    assert connection.ui_url == "http://localhost:8233"
    assert not Home(home).database.exists()


async def test_a_profile_in_the_configuration_file_is_used(
    embedded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "temporal.toml"
    file.write_text(f'[profile.staging]\naddress = "{ensure_server().address}"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    monkeypatch.setenv("TEMPORAL_PROFILE", "staging")
    connection = await connect()
    assert not connection.embedded


async def test_payloads_are_pydantic_json(embedded: Path) -> None:
    connection = await connect()
    payloads = await connection.client.data_converter.encode([Path("a/b")])  # which only pydantic can encode
    assert payloads[0].metadata["encoding"] == b"json/plain"
    assert payloads[0].data == b'"a/b"'


async def test_an_address_where_nobody_answers_is_named_with_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOWHERE)
    with pytest.raises(ServerUnavailable, match=r"127\.0\.0\.1:1 \(from TEMPORAL_ADDRESS\): Connection refused"):
        await connect()


async def test_an_address_from_the_file_is_named_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "temporal.toml"
    file.write_text(f'[profile.default]\naddress = "{NOWHERE}"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    with pytest.raises(ServerUnavailable, match=r"\(from .*temporal\.toml\)"):
        await connect()


async def test_a_server_that_accepts_but_never_answers_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{silent.getsockname()[1]}")
        begin = time.monotonic()
        with pytest.raises(ServerUnavailable, match=r"no answer within 0\.5 s"):
            await connect(timeout=timedelta(seconds=0.5))
        assert time.monotonic() - begin < 2


async def test_a_server_that_is_too_old_is_refused_with_both_versions(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", await serve(FakeFrontend("1.24.3")))
    with pytest.raises(ServerTooOld, match=r"has version 1\.24\.3, but a run needs 1\.28 or newer"):
        await connect()


@pytest.mark.parametrize("version", ["1.28.0", "1.32.0-155.1", "v2.0.1", "development build"])
async def test_a_server_that_is_new_enough_or_tells_no_version_is_taken(
    version: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = await serve(FakeFrontend(version))
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    assert (await connect()).address == address


async def test_refused_credentials_are_said_to_be_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", await serve(FakeFrontend("1.32.0", denies=True)))
    with pytest.raises(ServerUnavailable, match=r"refuses access to the namespace 'default': Request unauthorized"):
        await connect()


async def test_a_namespace_that_does_not_exist_is_named(embedded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "shop")
    with pytest.raises(UserError, match=r"has no namespace 'shop'.*unset TEMPORAL_NAMESPACE"):
        await connect()
    monkeypatch.setenv("TEMPORAL_ADDRESS", ensure_server().address)
    with pytest.raises(UserError, match="temporal operator namespace create shop"):
        await connect()


async def test_credentials_without_an_address_are_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_API_KEY", "secret")
    with pytest.raises(UserError, match=r"no address\. Set TEMPORAL_ADDRESS"):
        await connect()
    assert not Home(home).database.exists()


@pytest.mark.parametrize(("file", "profile"), [("not toml", "default"), ("", "missing")])
async def test_a_configuration_that_cannot_be_read_is_a_user_error(
    file: str, profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporal.toml").write_text(file)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))
    monkeypatch.setenv("TEMPORAL_PROFILE", profile)
    with pytest.raises(UserError, match=r"(?s)cannot be used: .*temporal\.toml"):
        await connect()


async def test_the_ui_url_can_be_configured(embedded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", ensure_server().address)
    monkeypatch.setenv("PERDURE_UI_URL", "https://temporal.shop.example/")
    connection = await connect()
    assert run_url(connection, "order-17") == "https://temporal.shop.example/namespaces/default/workflows/order-17"


async def test_a_run_url_encodes_ids(embedded: Path) -> None:
    connection = await connect()
    assert run_url(connection, "a/b c?#é", "0/1") == (
        f"{connection.ui_url}/namespaces/default/workflows/a%2Fb%20c%3F%23%C3%A9/0%2F1"
    )


async def test_connecting_at_once_from_many_tasks_works(embedded: Path) -> None:
    connections = await asyncio.gather(*(connect() for _ in range(5)))
    assert len({connection.address for connection in connections}) == 1
