"""Declared secrets, which no log line, span, text of the Temporal UI or command shows: it has `[redacted]` instead.

Declared are the values of the environment's variables that `PERDURE_REDACT` names, keys that Perdure itself reads, and
what a program declares with `redact`. What a run says and does is not changed: that is what encryption is for.
"""

from __future__ import annotations

import fnmatch
import functools
import json
import logging
import os
import re
import threading
from urllib.parse import quote

from perdure.errors import UserError
from perdure.keyring import keyring

REDACT = "PERDURE_REDACT"
REDACTED = "[redacted]"

_ALWAYS = ("OPENAI_API_KEY", "TEMPORAL_API_KEY", "PERDURE_CODEC_TOKEN")
_LEAST_CHARACTERS = 8  # shorter values stand in too many words that are none

_lock = threading.Lock()
_declared: set[str] = set()


def redact(*secrets: str) -> None:
    """Declares secrets of this process, whatever their source.

    Args:
        secrets: Their values, each of at least 8 characters.

    Raises:
        UserError: One is too short, so that text would be cut to pieces that does not hold it.
    """
    if any(len(secret) < _LEAST_CHARACTERS for secret in secrets):
        raise UserError(f"A secret to redact must have at least {_LEAST_CHARACTERS} characters.")
    with _lock:
        _declared.update(secrets)
        _pattern.cache_clear()


def redacted(text: str) -> str:
    """The text without declared secrets, whether they stand in it as they are, as in JSON, code, or a URL."""
    pattern = _pattern()
    return text if pattern is None else pattern.sub(REDACTED, text)


class Redacting(logging.Filter):
    """A filter for a program's own handlers of log records; Perdure's commands have it built in."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Takes declared secrets out of a record, which is kept in any case."""
        record.msg, record.args = redacted(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redacted(record.exc_text)
        return True


@functools.cache
def _pattern() -> re.Pattern[str] | None:
    secrets = _declared | _of_environment() | _keys()
    forms = {form for secret in secrets for form in _forms(secret)}
    longest_first = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def _forms(secret: str) -> set[str]:
    """A secret as it may stand in a text: as it is, in JSON, in code, in a URL."""
    quoted = {json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret)}
    return {secret, quote(secret, safe=""), *(each[1:-1] for each in quoted)}


def _of_environment() -> set[str]:
    patterns = [*_ALWAYS, *(name.strip() for name in os.environ.get(REDACT, "").split(",") if name.strip())]
    values = {value for name, value in os.environ.items() if any(fnmatch.fnmatchcase(name, each) for each in patterns)}
    return {value for value in values if len(value) >= _LEAST_CHARACTERS}


def _keys() -> set[str]:
    try:
        ring = keyring()
    except UserError:  # whoever needs the keys says so
        return set()
    return set() if ring is None else {key.text for key in ring.keys}
