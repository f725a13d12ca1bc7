"""Asks an embedded server whether it is usable, over its HTTP API.

HTTP rather than gRPC: the same frontend answers, and the standard library's client needs neither an event loop nor
threads, so this works from anywhere, also while the interpreter exits.
"""

from __future__ import annotations

import http.client
import json
import logging
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from perdure.server.record import Ports

HOST = "127.0.0.1"
NAMESPACE = "default"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a usable server says of itself: its version, and how long its namespace keeps closed runs."""

    version: str
    retention: timedelta


class FrontendError(Exception):
    """The server answered, but not what a usable server answers."""


def ask(ports: Ports, *, timeout: timedelta) -> Answer | None:
    """The server's answer, or None if it is not usable: refused, silent for `timeout`, or without its namespace."""
    try:
        socket.create_connection((HOST, ports.grpc), timeout.total_seconds()).close()
        system = _call(ports, "GET", "/api/v1/system-info", timeout)
        namespace = _call(ports, "GET", f"/api/v1/namespaces/{NAMESPACE}", timeout)
        _expect_unknown_workflow(ports, timeout)
        return Answer(
            version=str(system["serverVersion"]),
            retention=_seconds(namespace["config"]["workflowExecutionRetentionTtl"]),
        )
    except (OSError, http.client.HTTPException, FrontendError, ValueError, KeyError, TypeError) as error:
        logger.debug("no usable server on port %d: %r", ports.grpc, error)
        return None


def set_retention(ports: Ports, retention: timedelta, *, timeout: timedelta) -> None:
    """Set how long the namespace keeps closed runs.

    The server's parts take it over within some seconds: runs closed until then get the old retention.

    Raises:
        FrontendError: The server refused.
        OSError: The server did not answer.
    """
    config = {"workflowExecutionRetentionTtl": f"{int(retention.total_seconds())}s"}
    _call(ports, "POST", f"/api/v1/namespaces/{NAMESPACE}/update", timeout, {"config": config})


def _expect_unknown_workflow(ports: Ports, timeout: timedelta) -> None:
    """Read a workflow that cannot exist: only a server whose history and database work knows that it does not."""
    path = f"/api/v1/namespaces/{NAMESPACE}/workflows/perdure-probe"
    status, body = _exchange(ports, "GET", path, timeout)
    if status not in {http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND}:
        raise FrontendError(f"GET {path}: {status} {body[:200]!r}")


def _call(ports: Ports, method: str, path: str, timeout: timedelta, body: object = None) -> dict[str, Any]:
    status, text = _exchange(ports, method, path, timeout, body)
    if status != http.HTTPStatus.OK:
        raise FrontendError(f"{method} {path}: {status} {text[:200]!r}")
    return json.loads(text)


def _exchange(ports: Ports, method: str, path: str, timeout: timedelta, body: object = None) -> tuple[int, bytes]:
    # http.client, unlike urllib, never sends a call to this machine through a configured proxy.
    connection = http.client.HTTPConnection(HOST, ports.http, timeout=timeout.total_seconds())
    try:
        payload = None if body is None else json.dumps(body)
        connection.request(method, path, payload, {} if payload is None else {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _seconds(duration: str) -> timedelta:
    """A protobuf duration in JSON, as `86400s`."""
    return timedelta(seconds=float(duration.removesuffix("s")))
