"""Keys come from the environment, the first one encrypts, and no error ever shows one."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure import UserError
from perdure.keyring import ACCEPTS_PLAIN, KEYS, KEYS_FILE, Keyring, keyring, new_key

NEW, OLD = new_key("2026-11"), new_key("2026-05")


def text(*keys: object) -> str:
    return ",".join(f"{key.id}:{key.text}" for key in (NEW, OLD) if not keys or key in keys)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (KEYS, KEYS_FILE, ACCEPTS_PLAIN):
        monkeypatch.delenv(name, raising=False)
    keyring.cache_clear()
    yield
    keyring.cache_clear()


def test_without_keys_nothing_is_encrypted() -> None:
    assert keyring() is None


def test_the_first_key_encrypts_and_all_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEYS, text())
    ring = keyring()
    assert ring is not None
    assert (ring.first, ring.find("2026-05"), ring.find("2025"), ring.accepts_plain) == (NEW, OLD, None, False)


def test_a_file_has_one_key_a_line_and_comments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# the newest first\n{NEW.id}:{NEW.text}  # since November\n\n{OLD.id}: {OLD.text}\n")
    monkeypatch.setenv(KEYS_FILE, str(file))
    ring = keyring()
    assert ring is not None
    assert ring.keys == (NEW, OLD)


def test_the_base64_of_urls_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = b"\xfb\xff" * 16
    monkeypatch.setenv(KEYS, f"k:{base64.urlsafe_b64encode(secret).decode()}")
    ring = keyring()
    assert ring is not None
    assert ring.first.secret == secret


SHORT = base64.b64encode(b"x" * 31).decode()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (f"k:{SHORT}", "Entry 1 of PERDURE_ENCRYPTION_KEYS is no key"),
        (f"{NEW.id}:{NEW.text},{NEW.text}", "Entry 2 of PERDURE_ENCRYPTION_KEYS is no key"),
        (f"no id:{NEW.text}", "Entry 1"),
        (f"{NEW.id}:{NEW.text}, {NEW.id}:{OLD.text}", "two keys with the id '2026-11'"),
    ],
    ids=["too short", "no id", "a space in the id", "one id twice"],
)
def test_what_is_no_key_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch, given: str, said: str) -> None:
    monkeypatch.setenv(KEYS, given)
    with pytest.raises(UserError, match=said) as raised:
        keyring()
    assert not any(secret in str(raised.value) for secret in (SHORT, NEW.text, OLD.text))


def test_a_file_that_is_not_there_and_two_sources_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(KEYS_FILE, str(tmp_path / "none"))
    with pytest.raises(UserError, match="cannot be read: FileNotFoundError"):
        keyring()
    monkeypatch.setenv(KEYS, text())
    with pytest.raises(UserError, match="set one of them"):
        keyring()


def test_an_empty_file_is_not_taken_for_no_encryption(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("# none yet\n")
    monkeypatch.setenv(KEYS_FILE, str(tmp_path / "keys"))
    with pytest.raises(UserError, match="in which there is no key"):
        keyring()


def test_a_ring_never_shows_its_keys() -> None:
    assert NEW.text not in repr(Keyring((NEW, OLD)))
    assert repr(NEW.secret) not in repr(Keyring((NEW, OLD)))


def test_who_has_an_old_key_knows_the_new_one_for_one_of_the_ring() -> None:
    vouchers = Keyring((NEW, OLD)).vouchers
    assert Keyring((OLD,)).vouches_for(NEW.id, vouchers)
    assert not Keyring((OLD,)).vouches_for("2027-01", vouchers)
    assert not Keyring((new_key("2026-05"),)).vouches_for(NEW.id, vouchers)
    assert not Keyring((OLD,)).vouches_for(NEW.id, b"")


def test_the_id_of_a_new_key_is_checked() -> None:
    with pytest.raises(UserError, match="is no id for a key"):
        new_key("a key")
