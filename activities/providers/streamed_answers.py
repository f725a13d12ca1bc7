"""Streams of the Responses API's events, read to the whole answer at their end: nothing less is one."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from perdure.errors import ModelBehaviorError
from perdure.model import ModelAnswer, Publish

from .failures import RETRYABLE_CODES, UnusableAnswer
from .openai_answers import as_object, read_answer
from .server_sent_events import DONE, event_data, event_object

_FAILED = ("response.failed", "response.incomplete")
_ERRORS = ("error", "response.error")
_PASSING = frozenset({429, *range(500, 600)})  # gateways give the status as the code


async def responses_events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[dict[str, Any]]:
    """The events in a body of the Responses API."""
    async with aclosing(event_data(chunks)) as found:
        async for data in found:
            if data.strip() != DONE:
                yield event_object(data)


async def whole_answer(
    events: AsyncIterator[Any], publish: Publish, request_id: str | None = None, *, keep_raw_usage: bool = False
) -> ModelAnswer:
    """Passes events on as they come, until the one that brings the whole answer.

    Args:
        events: JSON objects, or objects of the openai package.
        publish: Takes each of them.
        request_id: The provider's id of the request.
        keep_raw_usage: Whether the answer keeps what the provider itself reported.

    Raises:
        UnusableAnswer: The stream ended before that, or the provider failed in a way that may pass.
        ModelBehaviorError: The answer failed or is incomplete, and would be again.
    """
    done: list[dict[str, Any]] = []
    async with aclosing(_closable(events)):
        async for event in events:
            publish(event)
            kind = _type_of(event)
            if kind == "response.output_item.done":
                done.append(_fields(_part(event, "item")))
            elif kind == "response.completed" or kind in _FAILED:
                fields = _terminal(kind, _fields(_part(event, "response")), done)
                return read_answer(json.dumps(fields).encode(), request_id, keep_raw_usage=keep_raw_usage)
            elif kind in _ERRORS or (not kind and as_object(_part(event, "error"))):
                raise stream_failure(_fields(event))
    raise UnusableAnswer("The model's stream ended before its answer was complete: no response.completed came.")


def _closable(events: Any) -> Any:
    return events if hasattr(events, "aclose") else _Unclosed()


class _Unclosed:
    """In the place of an iterator that has nothing to close."""

    async def aclose(self) -> None:
        pass


def _type_of(event: Any) -> str:
    return str(_part(event, "type") or "")


def _part(event: Any, name: str) -> Any:
    return cast("dict[str, Any]", event).get(name) if isinstance(event, dict) else getattr(event, name, None)


def _fields(value: Any) -> dict[str, Any]:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_unset=True)
    return as_object(value)


def _terminal(kind: str, fields: dict[str, Any], done: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer that the last event brings: its kind is its status, and items that it leaves out were streamed."""
    fields = {**fields, "status": kind.removeprefix("response.")}
    return fields if fields.get("output") or not done else fields | {"output": done}


def stream_failure(event: dict[str, Any]) -> ModelBehaviorError:
    """The error that an event of a stream tells."""
    told = as_object(event.get("error")) or event
    code = told.get("code") or told.get("type")
    passes = code in RETRYABLE_CODES or (type(code) is int and code in _PASSING)
    kind = UnusableAnswer if passes else ModelBehaviorError
    return kind(
        f"The model's stream ended in an error ({told.get('code') or 'no code'}): {told.get('message') or 'no message'}"
    )
