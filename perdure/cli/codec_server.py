"""The codec server: shows the Temporal UI and command line what is encrypted, and encrypts what people send from there.

It holds the keys, so it answers only pages of origins that are named, at an address of this machine unless there is a
token that every request must bring. Temporal's protocol: `POST /decode` and `/encode` with payloads as JSON and the
namespace in `X-Namespace`.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from temporalio.api.common.v1 import Payload, Payloads

from perdure.compression import compressed, expanded
from perdure.encryption import ENCRYPTED, Place, decrypted, encrypted, is_rejected, place_of, reason
from perdure.errors import UserError
from perdure.keyring import KEYS, Keyring, keyring

TOKEN = "PERDURE_CODEC_TOKEN"
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_log = logging.getLogger("perdure.codec_server")

_MOST_BYTES = 16 * 1024 * 1024  # of a request: the UI asks for a page of a history at a time
_JSON = {"encoding": b"json/plain"}


@dataclass(frozen=True, slots=True)
class CodecSettings:
    """How the codec server answers.

    Attributes:
        ring: The keys.
        origins: Whose pages may ask, as `https://temporal.example.com`.
        token: What a request's `Authorization: Bearer` must be; empty for none.
        is_local: Whether it listens on this machine alone; then it answers only to this machine's own names.
    """

    ring: Keyring
    origins: frozenset[str]
    token: str = ""
    is_local: bool = True


def settings_of(host: str, origins: Sequence[str]) -> CodecSettings:
    """The settings that the environment and the command line ask for.

    Raises:
        UserError: There are no keys, or anybody on the network could ask.
    """
    ring, token = keyring(), os.environ.get(TOKEN, "").strip()
    if ring is None:
        raise UserError(f"There are no keys to decrypt with: set {KEYS}, or {KEYS}_FILE, as for the workers.")
    if host not in LOOPBACK and not token:
        raise UserError(
            f"At {host} everybody who reaches this machine could have histories decrypted. Set {TOKEN} to a secret "
            "that requests must bring as `Authorization: Bearer`, or listen here behind a proxy that authenticates."
        )
    return CodecSettings(ring, frozenset(origin.rstrip("/") for origin in origins), token, host in LOOPBACK)


class Refused(Exception):
    """A request that is not answered, with HTTP's status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def decode(payloads: Sequence[Payload], namespace: str, ring: Keyring) -> list[Payload]:
    """The payloads as the UI shows them; in place of one that cannot be opened, the reason.

    Args:
        payloads: Encrypted ones, and others, which stay as they are.
        namespace: The one that is asked about: what belongs to another one is not opened.
        ring: The keys.
    """
    return [_shown(payload, namespace, ring) for payload in payloads]


def _shown(payload: Payload, namespace: str, ring: Keyring) -> Payload:
    if payload.metadata.get("encoding") != ENCRYPTED:
        return expanded(payload)
    place = place_of(payload)
    if place.namespace != namespace:
        raise Refused(403, f"a payload belongs to namespace {place.namespace[:200]!r}, not to {namespace[:200]!r}")
    plain = expanded(decrypted(payload, ring))
    return Payload(metadata=_JSON, data=json.dumps(f"[{reason(plain)}]").encode()) if is_rejected(plain) else plain


def encode(payloads: Sequence[Payload], namespace: str, ring: Keyring) -> list[Payload]:
    """The payloads, encrypted for the run that they name as `run`; without one, for any of the namespace."""
    return [encrypted(compressed(payload), ring, Place(namespace, _run_of(payload)).label) for payload in payloads]


def _run_of(payload: Payload) -> str:
    try:
        value = json.loads(payload.data)
    except (ValueError, RecursionError):
        return ""
    run = value.get("run") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return run if isinstance(run, str) else ""


_ANSWERS: dict[str, Callable[[Sequence[Payload], str, Keyring], list[Payload]]] = {
    "/decode": decode,
    "/encode": encode,
}


def codec_server(host: str, port: int, settings: CodecSettings) -> ThreadingHTTPServer:
    """A server that listens; `serve_forever` lets it answer."""

    class Handler(_Handler):
        def __init__(self, *args: Any) -> None:
            self.settings = settings
            super().__init__(*args)

    return ThreadingHTTPServer((host, port), Handler)


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    settings: CodecSettings
    server_version = "perdure-codec-server"
    sys_version = ""

    def do_OPTIONS(self) -> None:
        """Tells a browser whether a page may ask."""
        try:
            self._check_source()
        except Refused as refused:
            self._answer(refused.status, {"error": str(refused)})
        else:
            self._answer(204, None)

    def do_POST(self) -> None:
        """Decodes or encodes."""
        try:
            answered = self._answered()
        except Refused as refused:
            _log.warning("refused %s from %s: %s", self.path[:100], self.client_address[0], refused)
            self._answer(refused.status, {"error": str(refused)})
        else:
            self._answer(200, answered)

    def _answered(self) -> dict[str, Any]:
        self._check_source()
        self._check_token()
        path, namespace = urlsplit(self.path).path.rstrip("/"), self.headers.get("X-Namespace", "")
        work = _ANSWERS.get(path)
        if work is None:
            raise Refused(404, "there are /decode and /encode")
        payloads = self._payloads()
        if not namespace:
            raise Refused(400, "X-Namespace does not say which namespace it is about")
        answered = work(payloads, namespace, self.settings.ring)
        _log.info("%s %d payloads of %r for %s", path, len(payloads), namespace, self.client_address[0])
        return MessageToDict(Payloads(payloads=answered))

    def _check_source(self) -> None:
        origin, name = self.headers.get("Origin"), urlsplit(f"//{self.headers.get('Host', '')}").hostname
        if origin is not None and origin not in self.settings.origins:
            raise Refused(403, f"pages of {origin[:200]} may not ask; name it with --origin")
        if self.settings.is_local and name not in LOOPBACK:  # else any page could, by a name that leads here
            raise Refused(403, "it answers to this machine's own names alone")

    def _check_token(self) -> None:
        wanted = f"Bearer {self.settings.token}".encode()
        if self.settings.token and not hmac.compare_digest(self.headers.get("Authorization", "").encode(), wanted):
            raise Refused(401, "Authorization does not have the token")

    def _payloads(self) -> Sequence[Payload]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MOST_BYTES:
            raise Refused(413, f"a request has at most {_MOST_BYTES} bytes, and says how many")
        try:
            return ParseDict(json.loads(self.rfile.read(int(length))), Payloads()).payloads
        except (ValueError, ParseError, RecursionError, AttributeError, TypeError) as error:
            raise Refused(400, f"the request is no payloads as JSON ({type(error).__name__})") from None

    def _answer(self, status: int, document: dict[str, Any] | None) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        origin = self.headers.get("Origin")
        if origin in self.settings.origins:
            asked = self.headers.get("Access-Control-Request-Headers", "")
            for name, value in {
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Allow-Methods": "POST",
                "Access-Control-Allow-Headers": asked,
                "Access-Control-Allow-Credentials": "true",
                "Access-Control-Allow-Private-Network": "true",
                "Vary": "Origin",
            }.items():
                self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what was asked is logged where it is answered."""
