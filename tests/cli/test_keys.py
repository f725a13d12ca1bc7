"""`perdure keys` makes keys that the environment takes, and never shows those that it has."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from perdure import UserError
from perdure.cli.keys import list_keys, make_key
from perdure.cli.screen import Screen
from perdure.keyring import ACCEPTS_PLAIN, KEYS, keyring, new_key, parse_keys


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(KEYS, raising=False)
    keyring.cache_clear()
    yield
    monkeypatch.undo()
    keyring.cache_clear()


def test_a_new_key_is_as_the_environment_wants_it_and_like_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    entries: list[str] = []
    for _ in range(2):
        assert make_key(Screen(as_json=False), "2026-11") == 0
        entries.append(capsys.readouterr().out.strip())
    first, second = (parse_keys(entry)[0] for entry in entries)
    assert first.id == "2026-11"
    assert first.secret != second.secret


def test_an_id_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="is no id for a key"):
        make_key(Screen(as_json=False), "for everybody")


def test_the_list_says_what_each_key_does_and_not_what_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new, old = new_key("new"), new_key("old")
    monkeypatch.setenv(KEYS, f"{new.id}:{new.text},{old.id}:{old.text}")
    monkeypatch.setenv(ACCEPTS_PLAIN, "1")
    keyring.cache_clear()
    assert list_keys(Screen(as_json=True)) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == [
        {"id": "new", "does": "encrypts and decrypts"},
        {"id": "old", "does": "decrypts"},
    ]
    assert "What is not encrypted is read, too." in said.err
    assert new.text not in said.out + said.err


def test_without_keys_the_list_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    list_keys(Screen(as_json=False))
    assert "nothing is encrypted" in capsys.readouterr().out
