"""Reading answers of the Responses API: whole ones, in the form in which they came."""

from __future__ import annotations

import json
from typing import Any, cast

from perdure.errors import ModelBehaviorError
from perdure.model import ModelAnswer
from perdure.usage import Usage

from .failures import RETRYABLE_CODES, HollowAnswer, UnusableAnswer

_UNFINISHED = {
    "max_output_tokens": "Raise max_tokens in the agent's model settings, or ask for less.",
    "content_filter": "The provider's content filter cut the answer off.",
}


def read_answer(content: bytes, request_id: str | None, *, keep_raw_usage: bool = False) -> ModelAnswer:
    """Reads an answer's body; its items stay as they came, also those of types that are not known here.

    Raises:
        UnusableAnswer: The body is no answer, or the provider failed in a way that may pass.
        HollowAnswer: The answer lacks its list of items.
        ModelBehaviorError: The answer failed or is incomplete, and would be again.
    """
    fields = json_object(content)
    _check_status(fields)
    output: Any = fields.get("output")
    if not isinstance(output, list) or not all(isinstance(item, dict) for item in cast("list[Any]", output)):
        raise HollowAnswer(f"The model provider's answer has no list of output items: {content[:200]!r}.")
    response_id = fields.get("id")
    return ModelAnswer(
        items=cast("list[dict[str, Any]]", output),
        usage=_usage(fields.get("usage")),
        response_id=_text_or_none(response_id),
        request_id=request_id,
        raw_usage=as_object(fields.get("usage")) or None if keep_raw_usage else None,
        model=_text_or_none(fields.get("model")),
    )


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def json_object(content: bytes) -> dict[str, Any]:
    """An answer's body.

    Raises:
        UnusableAnswer: It is no JSON object.
        HollowAnswer: It is a stream of events.
    """
    if content.startswith((b"data:", b"event:")):
        raise HollowAnswer(
            f"The model provider answered with a stream of events, which it was not asked for: {content[:200]!r}. "
            "Have the server between (OPENAI_BASE_URL) pass whole answers on."
        )
    try:
        answer: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnusableAnswer(
            f"The model provider's answer is not JSON ({error}) but {content[:200]!r}; "
            "check that OPENAI_BASE_URL is the API's address."
        ) from error
    if not isinstance(answer, dict):
        raise UnusableAnswer(f"The model provider's answer is no JSON object but {content[:200]!r}.")
    return cast("dict[str, Any]", answer)


def _check_status(answer: dict[str, Any]) -> None:
    status = answer.get("status")
    error = as_object(answer.get("error"))
    if status == "failed" or (error and status != "completed"):
        kind = UnusableAnswer if error.get("code") in RETRYABLE_CODES else ModelBehaviorError
        raise kind(
            f"The model's answer failed ({error.get('code') or 'no code'}): {error.get('message') or 'no message'}"
        )
    if status == "incomplete":
        reason = as_object(answer.get("incomplete_details")).get("reason") or "no reason given"
        raise ModelBehaviorError(f"The model's answer is incomplete ({reason}). {_UNFINISHED.get(reason, '')}".rstrip())
    if status in ("cancelled", "queued", "in_progress"):
        raise ModelBehaviorError(f"The model's answer is {status}, not completed; a run needs whole answers.")


def _usage(reported: Any) -> Usage:
    fields = as_object(reported)
    return counted(
        fields,
        count(fields, "input_tokens"),
        count(fields, "output_tokens"),
        cached_tokens=count(as_object(fields.get("input_tokens_details")), "cached_tokens"),
        reasoning_tokens=count(as_object(fields.get("output_tokens_details")), "reasoning_tokens"),
    )


def counted(
    reported: dict[str, Any], input_tokens: int, output_tokens: int, *, cached_tokens: int, reasoning_tokens: int
) -> Usage:
    """The usage of one request, with the provider's own total, which may count more than input and output."""
    usage = Usage.of_request(
        input_tokens, output_tokens, cached_tokens=cached_tokens, reasoning_tokens=reasoning_tokens
    )
    total = count(reported, "total_tokens")
    if total:
        usage.total_tokens = total
        for entry in usage.request_usage_entries:
            entry.total_tokens = total
    return usage


def as_object(value: Any) -> dict[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The JSON objects of a list; none where the value is no list."""
    entries = cast("list[Any]", value) if isinstance(value, list) else []
    return [entry for entry in entries if isinstance(entry, dict)]


def count(fields: dict[str, Any], name: str) -> int:
    """A count of tokens, 0 where it is missing or none."""
    value = fields.get(name)
    return value if type(value) is int and value > 0 else 0
