"""A declared secret is shown nowhere: not in logs, spans, the UI's texts or what a command says."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator

import pytest

from perdure import UserError, redaction
from perdure.cli.screen import Line, Screen
from perdure.keyring import KEYS, keyring, new_key
from perdure.redaction import REDACT, REDACTED, Redacting, redact, redacted
from perdure.telemetry.attributes import plain, plain_attributes
from perdure.telemetry.log_lines import JsonLines, TextLines

SECRET = 'hunter2 "quoted"/ü'


@pytest.fixture(autouse=True)
def declare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Nothing is declared but what a test declares."""

    def in_environment(name: str, value: str) -> None:
        monkeypatch.setenv(name, value)
        redaction._pattern.cache_clear()
        keyring.cache_clear()

    monkeypatch.setattr(redaction, "_declared", set())
    redaction._pattern.cache_clear()
    yield in_environment
    monkeypatch.undo()
    redaction._pattern.cache_clear()
    keyring.cache_clear()


def test_what_a_program_declares_is_redacted_in_every_form() -> None:
    redact(SECRET)
    in_url = "hunter2%20%22quoted%22%2F%C3%BC"
    assert redacted(f"a {SECRET} b {json.dumps(SECRET)} c {in_url}") == f'a {REDACTED} b "{REDACTED}" c {REDACTED}'


def test_of_two_secrets_the_longer_one_goes_as_a_whole() -> None:
    redact("password", "password-of-ana")
    assert redacted("password-of-ana, password") == f"{REDACTED}, {REDACTED}"


def test_variables_are_declared_by_name_or_pattern(declare: Callable[[str, str], None]) -> None:
    declare("SHOP_PASSWORD", "correct horse")
    declare("STRIPE_API_KEY", "battery staple")
    assert redacted("correct horse battery staple") == "correct horse battery staple"
    declare(REDACT, "SHOP_PASSWORD, STRIPE_*")
    assert redacted("correct horse battery staple") == f"{REDACTED} {REDACTED}"


def test_the_keys_that_perdure_reads_are_always_declared(declare: Callable[[str, str], None]) -> None:
    key = new_key("2026-11")
    declare("OPENAI_API_KEY", "sk-very-secret")
    declare(KEYS, f"{key.id}:{key.text}")
    assert redacted(f"Incorrect API key provided: sk-very-secret {key.text}").count(REDACTED) == 2


def test_what_is_too_short_is_refused_and_nothing_is_declared() -> None:
    with pytest.raises(UserError, match="at least 8 characters"):
        redact("long enough", "short")
    assert redacted("long enough") == "long enough"


def record(message: str, *args: object) -> logging.LogRecord:
    info = (ValueError, ValueError(SECRET), None)
    return logging.LogRecord("perdure", logging.INFO, __file__, 1, message, args, info)


@pytest.mark.parametrize("form", [TextLines("%(message)s"), JsonLines()])
def test_log_lines_do_not_have_it_nor_do_tracebacks(form: logging.Formatter) -> None:
    redact(SECRET)
    line = form.format(record("the password is %s", SECRET))
    assert "hunter2" not in line
    assert line.count(REDACTED) >= 2


def test_a_program_s_own_handlers_can_filter() -> None:
    redact(SECRET)
    seen = record("the password is %s", SECRET)
    assert Redacting().filter(seen)
    assert "hunter2" not in logging.Formatter().format(seen)


def test_spans_do_not_have_it() -> None:
    redact(SECRET)
    assert plain(f"a {SECRET}") == f"a {REDACTED}"
    assert plain_attributes({"a": [SECRET], "b": {"c": SECRET}}) == {"a": [REDACTED], "b": "{'c': '[redacted]'}"}


@pytest.mark.parametrize("as_json", [False, True])
def test_commands_do_not_show_it(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    redact(SECRET)
    screen = Screen(as_json=as_json)
    screen.show({"said": SECRET}, [Line(SECRET)])
    screen.add({"said": SECRET}, [Line(SECRET)])
    screen.grow(SECRET)
    screen.note(SECRET)
    screen.error("UserError", SECRET)
    said = "".join(capsys.readouterr())
    assert "hunter2" not in said
    assert said.count(REDACTED) >= 5
