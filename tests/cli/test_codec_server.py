"""The codec server opens histories for the Temporal UI, and for nobody else."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from temporalio.api.common.v1 import Payload, Payloads

from perdure import UserError
from perdure.cli.codec_server import CodecSettings, codec_server, settings_of
from perdure.encryption import Place, decrypted, encrypted, is_rejected, place_of
from perdure.keyring import Keyring, keyring, new_key

RING = Keyring((new_key("new"), new_key("old")))
UI = "http://localhost:8233"
HEADERS = {"X-Namespace": "default", "Origin": UI, "Content-Type": "application/json"}
SECRET = Payload(metadata={"encoding": b"json/plain"}, data=b'"a canary"')
HERE = Place("default", "ticket-7").label

Ask = Callable[..., tuple[int, Any]]


def ask_at(url: str) -> Ask:
    def ask(path: str, *payloads: Payload, method: str = "POST", **headers: str) -> tuple[int, Any]:
        body = json.dumps(MessageToDict(Payloads(payloads=payloads))).encode()
        names = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
        request = urllib.request.Request(url + path, body, {k: v for k, v in names.items() if v}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                said = answer.read()
                headers_said = dict(answer.headers)
                return answer.status, ParseDict(json.loads(said), Payloads()).payloads if said else headers_said
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    return ask


def served(settings: CodecSettings) -> Iterator[Ask]:
    with codec_server("127.0.0.1", 0, settings) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield ask_at(f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()


@pytest.fixture
def ask() -> Iterator[Ask]:
    yield from served(CodecSettings(RING, frozenset({UI})))


@pytest.fixture
def ask_with_token() -> Iterator[Ask]:
    yield from served(CodecSettings(RING, frozenset({UI}), token="open sesame", is_local=False))


def test_what_a_history_holds_is_shown(ask: Ask) -> None:
    for path in ("/decode", "/decode?preserveStorageRefs=true"):  # the latter is how the UI asks
        status, shown = ask(path, encrypted(SECRET, RING, HERE))
        assert (status, list(shown)) == (200, [SECRET])


def test_what_is_not_encrypted_stays_as_it_is(ask: Ask) -> None:
    assert list(ask("/decode", SECRET)[1]) == [SECRET]


def test_a_message_that_names_its_run_is_encrypted_for_that_run_alone(ask: Ask) -> None:
    message = Payload(metadata={"encoding": b"json/plain"}, data=b'{"call_id": "1.0", "run": "ticket-7"}')
    _, (sent,) = ask("/encode", message)
    assert place_of(sent) == Place("default", "ticket-7")
    assert decrypted(sent, RING, (HERE,)) == message


@pytest.mark.parametrize("data", [b'{"call_id": "1.0"}', b"[1]", b"{", b'{"run": 7}'])
def test_any_other_is_encrypted_for_its_namespace(ask: Ask, data: bytes) -> None:
    _, (sent,) = ask("/encode", Payload(metadata={"encoding": b"json/plain"}, data=data))
    assert place_of(sent) == Place("default")


def test_what_cannot_be_opened_is_shown_with_the_reason(ask: Ask) -> None:
    _, (shown,) = ask("/decode", encrypted(SECRET, Keyring((new_key("lost"),)), HERE))
    assert "key 'lost', which this process does not have" in json.loads(shown.data)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Origin": "https://elsewhere.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "rebound.example.com:8888"}, 403),
        ({"X_Namespace": "other"}, 403),
        ({"X_Namespace": ""}, 400),
    ],
)
def test_nobody_else_is_answered(ask: Ask, headers: dict[str, str], expected: int) -> None:
    status, said = ask("/decode", encrypted(SECRET, RING, HERE), **headers)
    assert status == expected
    assert "canary" not in said


def test_a_page_of_another_origin_is_told_so_before_it_asks(ask: Ask) -> None:
    status, headers = ask("/decode", method="OPTIONS", Access_Control_Request_Headers="x-namespace")
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, UI)
    assert headers["Access-Control-Allow-Headers"] == "x-namespace"
    assert ask("/decode", method="OPTIONS", Origin="https://elsewhere.example.com")[0] == 403


def test_with_a_token_only_who_brings_it_is_answered(ask_with_token: Ask) -> None:
    secret = encrypted(SECRET, RING, HERE)
    assert ask_with_token("/decode", secret)[0] == 401
    assert ask_with_token("/decode", secret, Authorization="Bearer wrong")[0] == 401
    assert list(ask_with_token("/decode", secret, Authorization="Bearer open sesame")[1]) == [SECRET]


def test_nonsense_is_refused_and_the_next_request_is_answered(ask: Ask) -> None:
    assert ask("/elsewhere", SECRET)[0] == 404
    broken = Payload(metadata={"encoding": b"binary/encrypted", "for": HERE, "key": b"new"}, data=b"?")
    assert not is_rejected(ask("/decode", broken)[1][0])  # the UI gets a text
    assert ask("/decode", encrypted(SECRET, RING, HERE))[0] == 200


def test_it_does_not_listen_to_the_network_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    key = RING.first
    monkeypatch.setenv("PERDURE_ENCRYPTION_KEYS", f"{key.id}:{key.text}")
    keyring.cache_clear()
    try:
        with pytest.raises(UserError, match="everybody who reaches this machine"):
            settings_of("0.0.0.0", [])
        monkeypatch.setenv("PERDURE_CODEC_TOKEN", "open sesame")
        assert not settings_of("0.0.0.0", [UI]).is_local
    finally:
        keyring.cache_clear()
