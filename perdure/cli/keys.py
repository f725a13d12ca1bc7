"""Keys for encryption: new ones, which this process has, and the codec server, which has them for the Temporal UI."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from urllib.parse import urlsplit

from perdure.cli.codec_server import codec_server, settings_of
from perdure.cli.ending import ExitCode
from perdure.cli.screen import Line, Screen, columns
from perdure.client.host import Host
from perdure.errors import BlobUnavailable, UserError
from perdure.keyring import KEYS, Keyring, keyring, new_key
from perdure.server import server_status
from perdure.telemetry import log_lines

DEVELOPMENT_UI_PORT = 8233  # of the Temporal CLI's development server


@dataclass(frozen=True, slots=True)
class CodecAddress:
    """Where the codec server listens, and whose pages may ask it; without any origin, this machine's Temporal UI's."""

    host: str
    port: int
    origins: list[str]


def make_key(screen: Screen, key_id: str) -> int:
    """Shows a new key, as the environment wants it."""
    key = new_key(key_id)
    line = f"{key.id}:{key.text}"
    screen.show({"id": key.id, "entry": line}, [Line(line)])
    screen.note(f"Put it into {KEYS}, or a line of {KEYS}_FILE, of every client and worker; it is kept nowhere else.")
    return ExitCode.OK


def list_keys(screen: Screen) -> int:
    """Shows the keys that this process has, never what they are."""
    ring = keyring()
    rows = [] if ring is None else [[key.id, _does(ring, key.id)] for key in ring.keys]
    document = [{"id": key_id, "does": does} for key_id, does in rows]
    screen.show(document, columns(rows, ["KEY", "DOES"]) or [Line("No keys: nothing is encrypted.")])
    if ring is not None and ring.accepts_plain:
        screen.note("What is not encrypted is read, too.")
    return ExitCode.OK


def _does(ring: Keyring, key_id: str) -> str:
    return "encrypts and decrypts" if key_id == ring.first.id else "decrypts"


async def encrypt_blobs_anew(screen: Screen) -> int:
    """Encrypts with the first key what blobs are encrypted otherwise, or not at all.

    Raises:
        UserError: There is no blob store, or there are no keys.
    """
    host = Host.current()
    await host.call(host.connection())
    blobs = await host.call(host.blobs())
    if blobs is None or keyring() is None:
        raise UserError(f"There is nothing to encrypt with or no blob store: set {KEYS} and PERDURE_BLOBS.")
    changed, kept, failed = 0, 0, list[str]()
    for blob in blobs.stored():
        try:
            if blobs.encrypt_anew(blob.digest):
                changed += 1
            else:
                kept += 1
        except BlobUnavailable as error:
            failed.append(str(error))
    text = f"{changed} blobs encrypted anew, {kept} were so already, {len(failed)} cannot be read."
    document = {"changed": changed, "kept": kept, "failed": failed}
    screen.show(document, [Line(text)])
    for why in failed[:5]:
        screen.note(why)
    return ExitCode.FAILED if failed else ExitCode.OK


def serve_codec(screen: Screen, address: CodecAddress) -> int:
    """Answers until Ctrl-C."""
    log_lines.configure(logging.INFO)
    origins = address.origins or _origins_here()
    with codec_server(address.host, address.port, settings_of(address.host, origins)) as server:
        url = f"http://{address.host}:{server.server_address[1]}"
        lines = [Line(f"The codec server answers at {url}, pages of {', '.join(origins)}.")]
        screen.show({"url": url, "origins": origins}, lines)
        screen.note(f"In the Temporal UI: Data Encoder, Remote Codec Endpoint {url}.")
        server.serve_forever()
    return ExitCode.OK


def _origins_here() -> list[str]:
    """The Temporal UIs of this machine: the development server's usual one, and the embedded server's."""
    status = server_status()
    ports = {DEVELOPMENT_UI_PORT, *([] if status is None else [urlsplit(status.ui_url).port])}
    return [f"http://{host}:{port}" for port in sorted(filter(None, ports)) for host in ("localhost", "127.0.0.1")]
