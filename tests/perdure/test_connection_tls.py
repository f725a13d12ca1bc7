"""Servers that ask who comes: TLS by an authority of one's own, client certificates, API keys; all on this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    GetSystemInfoRequest,
    GetSystemInfoResponse,
)

from perdure.connection import Connection, connect
from perdure.errors import ServerUnavailable, UserError
from tests.perdure.test_connection import answer_with


@dataclass(frozen=True)
class Identity:
    """A key and the certificate that goes with it, as PEM."""

    key: bytes
    certificate: bytes


class Authority:
    """Who signs certificates, in files of one folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._own = self._signed(name, self._key.public_key(), is_authority=True)
        self.certificate = self._own.public_bytes(serialization.Encoding.PEM)
        self.path = self._written("ca.pem", self.certificate)

    def identity(self, name: str) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        plain = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        signed = self._signed(name, key.public_key(), is_authority=False)
        return Identity(pem, signed.public_bytes(serialization.Encoding.PEM))

    def files(self, name: str) -> tuple[str, str]:
        """The paths of a new identity's certificate and key."""
        made = self.identity(name)
        return self._written(f"{name}.pem", made.certificate), self._written(f"{name}.key", made.key)

    def _written(self, name: str, content: bytes) -> str:
        path = self.folder / f"{self.name}-{name}"
        path.write_bytes(content)
        return str(path)

    def _signed(self, name: str, key: Any, *, is_authority: bool) -> x509.Certificate:
        def named(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        now = datetime.now(UTC)
        alternatives = [x509.DNSName("temporal.shop.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(self.name))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .sign(self._key, hashes.SHA256())
        )


class Frontend:
    """A gRPC frontend with TLS that notes with what it is called, and may want an API key or a client certificate."""

    def __init__(self, identity: Identity, *, clients: bytes | None = None, api_key: str | None = None) -> None:
        self.api_key = api_key
        self.headers: list[dict[str, Any]] = []
        self.server = grpc.aio.server()
        answer_with(self.server, self.get_system_info, self.describe_namespace)
        pairs = [(identity.key, identity.certificate)]
        credentials = grpc.ssl_server_credentials(pairs, clients, require_client_auth=clients is not None)
        self.address = f"127.0.0.1:{self.server.add_secure_port('127.0.0.1:0', credentials)}"

    async def get_system_info(self, request: GetSystemInfoRequest, context: Any) -> GetSystemInfoResponse:
        await self._check(context)
        return GetSystemInfoResponse(server_version="1.32.0")

    async def describe_namespace(self, request: DescribeNamespaceRequest, context: Any) -> DescribeNamespaceResponse:
        await self._check(context)
        return DescribeNamespaceResponse()

    async def _check(self, context: Any) -> None:
        self.headers.append(dict(context.invocation_metadata()))
        if self.api_key is not None and self.headers[-1].get("authorization") != f"Bearer {self.api_key}":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "Request unauthorized.")


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


Serve = Callable[..., Awaitable[Frontend]]


@pytest.fixture
async def serve(ours: Authority, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    """Starts a frontend with a certificate of ours, which TEMPORAL_ADDRESS then names."""
    async with AsyncExitStack() as stack:

        async def start(**wanted: Any) -> Frontend:
            frontend = Frontend(ours.identity("frontend"), **wanted)
            await frontend.server.start()
            stack.push_async_callback(frontend.server.stop, None)
            monkeypatch.setenv("TEMPORAL_ADDRESS", frontend.address)
            return frontend

        yield start


def configure(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"TEMPORAL_{name}", value)


async def test_a_server_of_ones_own_authority_is_reached_with_a_client_certificate(
    ours: Authority, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    frontend = await serve(clients=ours.certificate)
    certificate, key = ours.files("worker")
    configure(
        monkeypatch, TLS_SERVER_CA_CERT_PATH=ours.path, TLS_CLIENT_CERT_PATH=certificate, TLS_CLIENT_KEY_PATH=key,
        NAMESPACE="shop",
    )  # fmt: skip
    connection = await connect()
    assert (connection.address, connection.namespace, connection.embedded) == (frontend.address, "shop", False)


async def test_certificates_may_be_given_as_text(
    ours: Authority, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    await serve(clients=ours.certificate)
    worker = ours.identity("worker")
    configure(
        monkeypatch,
        TLS_SERVER_CA_CERT_DATA=ours.certificate.decode(),
        TLS_CLIENT_CERT_DATA=worker.certificate.decode(),
        TLS_CLIENT_KEY_DATA=worker.key.decode(),
    )
    assert not (await connect()).embedded


async def test_a_profile_of_the_configuration_file_has_all_of_it(
    ours: Authority, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    frontend = await serve(clients=ours.certificate, api_key="k1")
    monkeypatch.delenv("TEMPORAL_ADDRESS")
    certificate, key = ours.files("worker")
    (tmp_path / "temporal.toml").write_text(
        f'[profile.production]\naddress = "{frontend.address}"\nnamespace = "shop"\napi_key = "k1"\n'
        f'[profile.production.tls]\nserver_ca_cert_path = "{ours.path}"\n'
        f'client_cert_path = "{certificate}"\nclient_key_path = "{key}"\nserver_name = "temporal.shop.example"\n'
    )
    configure(monkeypatch, CONFIG_FILE=str(tmp_path / "temporal.toml"), PROFILE="production")
    assert (await connect()).namespace == "shop"


async def test_an_api_key_goes_with_every_call_and_only_over_tls(
    ours: Authority, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    frontend = await serve(api_key="secret")
    configure(monkeypatch, TLS_SERVER_CA_CERT_PATH=ours.path, API_KEY="secret", GRPC_META_TEAM="refunds")
    connection: Connection = await connect()
    assert connection.address == frontend.address
    assert {headers["authorization"] for headers in frontend.headers} == {"Bearer secret"}
    assert {headers["team"] for headers in frontend.headers} == {"refunds"}


async def test_a_wrong_api_key_is_said_to_be_refused_and_is_not_shown(
    ours: Authority, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    await serve(api_key="secret")
    configure(monkeypatch, TLS_SERVER_CA_CERT_PATH=ours.path, API_KEY="guessed-key")
    with pytest.raises(ServerUnavailable, match="Request unauthorized") as refused:
        await connect()
    assert "guessed-key" not in str(refused.value)


async def test_without_the_client_certificate_that_a_server_wants_nobody_answers(
    ours: Authority, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    await serve(clients=ours.certificate)
    configure(monkeypatch, TLS="true", TLS_SERVER_CA_CERT_PATH=ours.path)
    with pytest.raises(ServerUnavailable, match="hangs up on who has none"):
        await connect()


async def test_a_server_of_an_unknown_authority_is_not_trusted(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    frontend = await serve(api_key="secret")
    configure(monkeypatch, TLS_SERVER_CA_CERT_PATH=Authority(tmp_path, "theirs").path, API_KEY="secret")
    with pytest.raises(ServerUnavailable, match=r"its certificate is not trusted \(UnknownIssuer\).*CA_CERT_PATH"):
        await connect()
    assert frontend.headers == [], "the key was not sent"


async def test_a_certificate_that_cannot_be_read_is_named(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    await serve()
    configure(monkeypatch, TLS_CLIENT_CERT_PATH="nowhere/worker.pem", TLS_CLIENT_KEY_PATH="nowhere/worker.key")
    with pytest.raises(UserError, match=r"nowhere/worker\.pem|cannot be read"):
        await connect()
