"""An answer's body is read without harm, or refused with a word on whether to ask again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from activities.providers.failures import UnusableAnswer
from activities.providers.openai_responses import read_answer
from perdure.errors import ModelBehaviorError
from perdure.usage import Usage

from .loopback import completed


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": None, "input_tokens_details": None}, "many"])
def test_an_answer_without_usage_is_one_request(usage: Any) -> None:
    assert read_answer(json.dumps(completed([], usage=usage)).encode(), None).usage == Usage(requests=1)


@pytest.mark.parametrize(
    "content",
    [
        b"<html>502 Bad Gateway</html>",
        b"",
        b"\xff",
        b"[]",
        b'{"id": "resp_1"}',
        b'{"output": null}',
        b'{"output": ["text"]}',
        b'{"output": [' + b"[" * 100_000,
        b'{"output": [], "n": ' + b"1" * 5_000 + b"}",
    ],
)
def test_a_body_that_is_no_answer_is_asked_for_again(content: bytes) -> None:
    with pytest.raises(UnusableAnswer):
        read_answer(content, None)


@pytest.mark.parametrize(
    ("code", "again"), [("server_error", True), ("rate_limit_exceeded", True), ("bio_policy", False), (None, False)]
)
def test_a_failed_answer_is_asked_for_again_where_its_code_says_so(code: str | None, again: bool) -> None:
    body = completed([], status="failed", error={"code": code, "message": "sorry"} if code else None)
    with pytest.raises(ModelBehaviorError) as raised:
        read_answer(json.dumps(body).encode(), None)
    assert isinstance(raised.value, UnusableAnswer) == again


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled"])
def test_an_unfinished_answer_is_no_answer(status: str) -> None:
    with pytest.raises(ModelBehaviorError, match=status):
        read_answer(json.dumps(completed([], status=status)).encode(), None)
