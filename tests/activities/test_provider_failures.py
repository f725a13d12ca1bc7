"""What a provider's failure means: whether to ask again, when, and what to tell the user."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI, OpenAIError

from activities.providers.failures import ProviderFailure, UnusableAnswer, classify, retry_after_seconds
from activities.providers.openai_responses import OpenAIResponses
from perdure.errors import AgentsException, UserError
from perdure.model import ModelRequest
from perdure.model_settings import ModelSettings

from .loopback import CLOSE, CUT, KEY, STALL, Loopback

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
REQUEST = ModelRequest("m", None, [b'{"role":"user","content":"hi"}'], [], ModelSettings())


async def failure_of(client: AsyncOpenAI) -> ProviderFailure:
    with pytest.raises((OpenAIError, AgentsException)) as raised:
        await OpenAIResponses(client).respond(REQUEST)
    return classify(raised.value, NOW)


async def failure_of_status(status: int, body: Any = None, **headers: str) -> ProviderFailure:
    async with Loopback() as server:
        server.reply({"error": {"message": "The reason."}} if body is None else body, status=status, **headers)
        return await failure_of(server.client())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1.5", 1.5),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1e9", 300.0),
        ("1e999", 300.0),
        ("inf", 300.0),
        ("nan", None),
        ("0", None),
        ("-5", None),
        ("-inf", None),
        ("", None),
        ("soon", None),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30.0),
        (format_datetime(NOW + timedelta(days=400), usegmt=True), 300.0),
        (format_datetime(NOW - timedelta(seconds=30), usegmt=True), None),
        ("Sun, 22 Nov 2026 12:00:20 -0000", 20.0),
        ("Sunday, 22-Nov-26 12:00:20 GMT", 20.0),
        ("Sun Nov 22 12:00:20 2026", 20.0),
        ("Sun, 99 Nov 2026 12:00:20 GMT", None),
        ("Sun, 22 Nov 99999999999 12:00:20 GMT", None),
    ],
)
def test_retry_after_is_read_and_bounded(value: str, seconds: float | None) -> None:
    assert retry_after_seconds({"retry-after": value}, NOW) == seconds


@pytest.mark.parametrize(
    ("milliseconds", "seconds"), [("1500", 1.5), ("nan", 9.0), ("soon", 9.0), ("1e12", 300.0), ("-1", None)]
)
def test_milliseconds_come_before_seconds(milliseconds: str, seconds: float | None) -> None:
    assert retry_after_seconds({"retry-after-ms": milliseconds, "retry-after": "9"}, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "retryable", "name"),
    [
        (400, False, "BadRequestError"),
        (401, False, "AuthenticationError"),
        (403, False, "PermissionDeniedError"),
        (404, False, "NotFoundError"),
        (408, True, "APIStatusError"),
        (409, True, "ConflictError"),
        (413, False, "APIStatusError"),
        (422, False, "UnprocessableEntityError"),
        (425, True, "APIStatusError"),
        (429, True, "RateLimitError"),
        (500, True, "InternalServerError"),
        (503, True, "InternalServerError"),
        (529, True, "InternalServerError"),
    ],
)
async def test_a_status_decides_whether_to_ask_again(status: int, retryable: bool, name: str) -> None:
    failure = await failure_of_status(status)
    assert (failure.retryable, failure.type, failure.status) == (retryable, name, status)
    assert failure.message.startswith(f"The model provider answered {status}: The reason.")


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "OPENAI_API_KEY"), (404, "model's name"), (403, "key"), (413, "shorten")]
)
async def test_a_refusal_says_what_to_do(status: int, advice: str) -> None:
    assert advice in (await failure_of_status(status)).message


async def test_a_rate_limit_says_how_long_to_wait() -> None:
    assert (await failure_of_status(429, retry_after="1.5")).retry_after_seconds == 1.5


async def test_a_spent_quota_is_not_asked_again() -> None:
    body = {"error": {"message": "You exceeded your quota.", "code": "insufficient_quota"}}
    failure = await failure_of_status(429, body, retry_after="20")
    assert (failure.retryable, failure.retry_after_seconds) == (False, None)
    assert "insufficient_quota" in failure.message
    assert "billing" in failure.message


@pytest.mark.parametrize(("status", "word", "retryable"), [(400, "true", True), (500, "false", False)])
async def test_the_providers_own_word_on_retrying_is_obeyed(status: int, word: str, retryable: bool) -> None:
    assert (await failure_of_status(status, x_should_retry=word)).retryable is retryable


async def test_an_error_page_is_judged_by_its_status() -> None:
    failure = await failure_of_status(502, b"<html>Bad Gateway</html>", content_type="text/html")
    assert (failure.retryable, failure.status) == (True, 502)


@pytest.mark.parametrize("fault", [CLOSE, CUT, STALL])
async def test_a_broken_connection_is_tried_again(fault: str) -> None:
    async with Loopback() as server:
        server.replies.append(fault)
        failure = await failure_of(server.client())
    assert failure.retryable
    assert failure.status is None
    assert failure.type == ("APITimeoutError" if fault == STALL else "APIConnectionError")
    assert "127.0.0.1" in failure.message


async def test_a_provider_that_is_not_there_is_tried_again() -> None:
    async with Loopback() as server:
        client = server.client()
    failure = await failure_of(client)
    assert (failure.retryable, failure.type) == (True, "APIConnectionError")


async def test_an_address_that_cannot_be_asked_is_not_tried_again() -> None:
    failure = await failure_of(AsyncOpenAI(api_key=KEY, base_url="localhost:1/v1"))
    assert not failure.retryable
    assert "OPENAI_BASE_URL" in failure.message


async def test_an_answer_that_is_not_json_is_tried_again() -> None:
    async with Loopback() as server:
        server.reply(b"<html>Please log in</html>")
        failure = await failure_of(server.client())
    assert (failure.retryable, failure.type) == (True, "ModelBehaviorError")
    assert "Please log in" in failure.message


@pytest.mark.parametrize("key", [KEY, "not-shaped-like-a-key-42"])
async def test_a_key_that_the_provider_repeats_is_struck_out(key: str) -> None:
    async with Loopback() as server:
        server.reply({"error": {"message": f"Incorrect API key provided: {key}."}}, status=401)
        failure = await failure_of(server.client(key=key))
    assert key not in failure.message
    assert "Incorrect API key provided: [key]" in failure.message


async def test_a_key_with_a_line_break_fails_without_showing_it() -> None:
    async with Loopback() as server:
        failure = await failure_of(server.client(key=f"{KEY}\n"))
    assert KEY not in failure.message
    assert not failure.retryable


async def test_a_key_at_the_cut_of_a_long_message_is_struck_out() -> None:
    key = "0123456789" * 4
    async with Loopback() as server:
        server.reply({"error": {"message": "x" * 4040 + key}}, status=400)
        failure = await failure_of(server.client(key=key))
    assert "01234" not in failure.message
    assert len(failure.message) < 4200


class _Response:
    def __init__(self, status_code: int, headers: dict[str, str]) -> None:
        self.status_code = status_code
        self.headers = headers


class _ErrorOfAnotherLibrary(Exception):
    def __init__(self, status: int, **headers: str) -> None:
        super().__init__("said no")
        self.response = _Response(status, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (_ErrorOfAnotherLibrary(429), True),
        (_ErrorOfAnotherLibrary(401), False),
        (httpx2.ConnectError("refused"), True),
        (httpx2.ReadTimeout("slow"), True),
        (httpx2.UnsupportedProtocol("no scheme"), False),
        (ConnectionResetError("reset"), True),
        (TimeoutError(), True),
        (json.JSONDecodeError("bad", "{", 0), True),
        (UnusableAnswer("again"), True),
        (UserError("the program is wrong"), False),
        (ValueError("a bug"), False),
        (FileNotFoundError("a bug"), False),
        (KeyError("status"), False),
    ],
)
def test_errors_of_a_model_of_ones_own_are_judged_by_their_nature(error: Exception, retryable: bool) -> None:
    assert classify(error, NOW).retryable is retryable


def test_another_librarys_retry_after_is_heard() -> None:
    assert classify(_ErrorOfAnotherLibrary(429, retry_after="3"), NOW).retry_after_seconds == 3.0


def test_an_error_that_cannot_be_read_is_still_judged() -> None:
    class Hostile(Exception):
        @property
        def response(self) -> object:
            raise RuntimeError("no response")

        @property
        def status(self) -> float:
            return math.nan

        def __str__(self) -> str:
            raise RuntimeError("no text")

    failure = classify(Hostile(), NOW)
    assert (failure.retryable, failure.type) == (False, "Hostile")
    assert "cannot be read" in failure.message
