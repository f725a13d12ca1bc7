"""What went wrong at a model provider, and whether asking again can help.

Errors are told apart by what they carry (a status, headers, the name of a transport error), not by their classes, so
that a model of one's own over any HTTP library is judged like the providers of this project, and none of them has to
be imported to judge.
"""

from __future__ import annotations

import json
import math
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

from perdure.errors import AgentsException, ModelBehaviorError, ModelTimeoutError, describe_exception

MAX_RETRY_AFTER_SECONDS = 300.0  # a longer wait is cut to this: asking in vain once in five minutes is cheap

# As the openai client retries (408 timeout, 409 lock conflict, 429, 5xx), and RFC 8470's 425 Too Early.
RETRYABLE_STATUSES = frozenset({408, 409, 425, 429})

# Codes of an answer with status "failed" that a second request may not meet again.
# https://platform.openai.com/docs/api-reference/responses/object#responses/object-error
RETRYABLE_CODES = frozenset({"server_error", "rate_limit_exceeded", "vector_store_timeout"})

_QUOTA = "insufficient_quota"  # a 429 that no waiting cures
_LOCKED = "conversation_locked"  # a 400 that ends with the request before this one
_TRANSPORT_ERRORS = (ConnectionError, TimeoutError, EOFError, socket.gaierror, ssl.SSLError, json.JSONDecodeError)
# Base classes of what HTTP libraries and provider SDKs raise where no answer arrived.
_TRANSPORT_NAMES = frozenset({"APIConnectionError", "TransportError", "ClientConnectionError", "ClientPayloadError"})
# Transport errors that come from the settings, so that every attempt meets them.
_SETTINGS_NAMES = frozenset({"UnsupportedProtocol", "LocalProtocolError", "InvalidURL"})
_KEY_HEADERS = ("authorization", "api-key", "x-api-key")
_KEY_SHAPED = re.compile(r"\b[sr]k-[\w*-]{8,}|(?<=Bearer )\S+")
_MIN_KEY_LENGTH = 8  # characters; anything shorter is no secret, and striking it out would garble the message

_ADVICE_BY_CODE = {
    _QUOTA: "The account has no credit left or reached its limit: check its plan and billing.",
    "context_length_exceeded": "The conversation is longer than the model can read: shorten it, or use another model.",
}
_ADVICE_BY_STATUS = {
    400: "The same request would be refused again: change it.",
    401: "Set the provider's key (OPENAI_API_KEY) in the environment of the worker.",
    403: "Check what the key and its project may use.",
    404: "Check the model's name and the provider's address (OPENAI_BASE_URL).",
    413: "The request is too large: shorten the conversation.",
    422: "The same request would be refused again: change it.",
}


class UnusableAnswer(ModelBehaviorError):
    """An answer that nothing can be made of, where asking again may bring a better one."""


class HollowAnswer(UnusableAnswer):
    """A whole answer without what makes it one: probably paid for, so it is asked for once more and not ten times."""


@dataclass(frozen=True)
class ProviderFailure:
    """What went wrong at a provider, as plain data.

    Attributes:
        retryable: Whether the same request may succeed later.
        retry_after_seconds: How long the provider asks to wait, above 0 and at most 300; None leaves it to the backoff.
        type: The error's class name.
        message: What happened and what to do; at most about 4,096 characters, without the provider's key.
        status: The HTTP status, if there was an answer.
    """

    retryable: bool
    retry_after_seconds: float | None
    type: str
    message: str
    status: int | None


def classify(error: BaseException, now: datetime) -> ProviderFailure:
    """Judges what a model call raised.

    Args:
        error: What was raised, by a provider of this project or by a model of the user's own.
        now: The time against which a date in `Retry-After` counts; aware.
    """
    name = type(error).__name__
    if isinstance(error, UnusableAnswer):
        return ProviderFailure(True, None, ModelBehaviorError.__name__, _bounded(error, _text(error)), None)
    if isinstance(error, AgentsException):
        return ProviderFailure(isinstance(error, ModelTimeoutError), None, name, _bounded(error, _text(error)), None)
    status = _status(error)
    if status is not None:
        headers, code = error_headers(error), error_code(error)
        retryable = _may_succeed_later(status, code, headers)
        wait = retry_after_seconds(headers, now) if retryable else None
        return ProviderFailure(retryable, wait, name, _bounded(error, _status_message(error, status, code)), status)
    if not _is_transport(error):
        return ProviderFailure(False, None, name, _bounded(error, _text(error)), None)
    from_settings = any(_is_named(link, _SETTINGS_NAMES) for link in _chain(error))
    return ProviderFailure(
        not from_settings, None, name, _bounded(error, _transport_message(error, from_settings)), None
    )


def retry_after_seconds(headers: Mapping[str, Any], now: datetime) -> float | None:
    """How long an answer's headers ask to wait, in seconds, above 0 and at most 300.

    `retry-after-ms` (OpenAI's own) comes before `Retry-After`, a number of seconds or a date (RFC 9110, 10.2.3).
    None where they ask for nothing that can be followed: no header, garbage, NaN, or a time that is over. The last
    would be a retry at once, so a provider that always says it would be asked in a tight loop.
    """
    for name, per_second in (("retry-after-ms", 1000), ("retry-after", 1)):
        value = _header(headers, name)
        if value is None:
            continue
        seconds = _number_or_date(value, now)
        if seconds is None or math.isnan(seconds):
            continue
        return min(seconds / per_second, MAX_RETRY_AFTER_SECONDS) if seconds > 0 else None
    return None


def _number_or_date(value: str, now: datetime) -> float | None:
    try:
        return float(value)
    except ValueError:
        return _seconds_until(value, now)


def _seconds_until(date: str, now: datetime) -> float | None:
    try:
        then = parsedate_to_datetime(date)
        return ((then if then.tzinfo else then.replace(tzinfo=UTC)) - now).total_seconds()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _may_succeed_later(status: int, code: str | None, headers: Mapping[str, Any]) -> bool:
    if code in (_QUOTA, _LOCKED):
        return code == _LOCKED
    said = (_header(headers, "x-should-retry") or "").lower()  # OpenAI's own; its client obeys it too
    if said in ("true", "false"):
        return said == "true"
    return status in RETRYABLE_STATUSES or status >= 500  # noqa: PLR2004  5xx: the server's own errors


def _status_message(error: BaseException, status: int, code: str | None) -> str:
    body = _attribute(error, "body")
    said = cast("dict[str, Any]", body).get("message") if isinstance(body, dict) else None
    named = f"{status} ({code})" if code else f"{status}"
    advice = _ADVICE_BY_CODE.get(code or "") or _ADVICE_BY_STATUS.get(status, "")
    detail = said if isinstance(said, str) and said else _text(error)
    return f"The model provider answered {named}: {detail} {advice}".rstrip()


def _transport_message(error: BaseException, from_settings: bool) -> str:
    causes = "".join(f" ({type(link).__name__}: {_text(link)})" for link in list(_chain(error))[1:2])
    advice = " Check the provider's address (OPENAI_BASE_URL) and key (OPENAI_API_KEY)." if from_settings else ""
    return f"No answer from the model provider{_address(error)}: {_text(error)}{causes}{advice}"


def _address(error: BaseException) -> str:
    url = _attribute(_attribute(error, "request"), "url")
    host, port = _attribute(url, "host"), _attribute(url, "port")  # never the whole URL: it may hold a password
    return "" if not host else f" at {host}:{port}" if port else f" at {host}"


def _is_transport(error: BaseException) -> bool:
    return isinstance(error, _TRANSPORT_ERRORS) or _is_named(error, _TRANSPORT_NAMES)


def _is_named(error: BaseException, names: frozenset[str]) -> bool:
    return any(base.__name__ in names for base in type(error).__mro__)


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(8):  # bounded, as user code can tie a chain to a ring
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def _status(error: BaseException) -> int | None:
    response = _attribute(error, "response")
    for found in (_attribute(error, "status_code"), _attribute(error, "status"), _attribute(response, "status_code")):
        if type(found) is int and 400 <= found <= 599:  # noqa: PLR2004  an HTTP status that says no
            return found
    return None


def error_headers(error: BaseException) -> Mapping[str, Any]:
    """The headers of the answer that an error is about."""
    response = _attribute(error, "response")
    for owner, name in ((response, "headers"), (error, "headers"), (error, "litellm_response_headers")):
        found = _attribute(owner, name)
        if isinstance(found, Mapping) and found:
            return cast("Mapping[str, Any]", found)
    return {}


def _header(headers: Mapping[str, Any], name: str) -> str | None:
    value = headers.get(name)
    return value.strip() if isinstance(value, str) else None


def error_code(error: BaseException) -> str | None:
    """The provider's code; OpenAI names a spent quota in `code`, compatible servers some of the time in `type`."""
    if _attribute(error, "type") == _QUOTA:
        return _QUOTA
    code = _attribute(error, "code")
    return code if isinstance(code, str) and code else None


def request_id_of(error: BaseException) -> str | None:
    """The provider's id of the failed request, for support."""
    for found in (_attribute(error, "request_id"), _header(error_headers(error), "x-request-id")):
        if isinstance(found, str):
            return found
    return None


def _attribute(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name, None)
    except Exception:  # noqa: BLE001  a property may raise anything, as httpx's `request` does where there is none
        return None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  user code may raise anything from __str__
        return describe_exception(error)["message"]


def _bounded(error: BaseException, text: str) -> str:
    """The text without keys, cut to a length that Temporal carries; keys go first, as the cut could halve one."""
    for secret in _keys(error):
        text = text.replace(secret, "[key]")
    return describe_exception(RuntimeError(_KEY_SHAPED.sub("[key]", text)))["message"]


def _keys(error: BaseException) -> Iterator[str]:
    """The keys that the failed request carried."""
    for link in _chain(error):
        request = _attribute(link, "request") or _attribute(_attribute(link, "response"), "request")
        headers = _attribute(request, "headers")
        if not isinstance(headers, Mapping):
            continue
        for name in _KEY_HEADERS:
            value = cast("Mapping[str, Any]", headers).get(name)
            key = value.split()[-1] if isinstance(value, str) and value.strip() else ""
            if len(key) >= _MIN_KEY_LENGTH:
                yield key
