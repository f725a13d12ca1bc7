"""Conversations that the provider keeps: was a request that may have been sent before accepted, and with what answer?

A provider adds a request's items and its answer to the conversation when the answer is complete. So after a lost
attempt the conversation's end tells: the request's items with an answer behind them (it is adopted), or neither (the
request is sent). The items are told by what the provider does not change: a call's id, a message's role and text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import quote

from openai import APIStatusError, AsyncAPIResponse, AsyncOpenAI

from perdure.errors import ConversationStateUnknown
from perdure.model import ModelAnswer, ModelRequest
from perdure.usage import Usage

from .openai_answers import json_object

PAGE_ITEMS = 100  # the API's own limit
_ANSWER_ITEMS = 200  # more than an answer has; read beside the request's own items
_DOES_NOT_TELL = (404, 405, 501)  # no such conversation, or a server that keeps none that can be listed
_INPUT_ROLES = frozenset({"user", "system", "developer"})


async def adopt(client: AsyncOpenAI, request: ModelRequest) -> ModelAnswer | None:
    """The answer to this very request that the conversation holds already, or None if the request did not arrive.

    A request of messages alone is taken for arrived if the conversation ends in the same messages and an answer, which
    a caller that says the same thing twice could have done before.

    Raises:
        ConversationStateUnknown: The conversation holds part of the request, or all of it without an answer, or the
            provider does not tell.
    """
    conversation_id = request.conversation_id or ""
    sent = [_mark(json.loads(item)) for item in request.input]
    try:
        held = await conversation_items(client, conversation_id, len(sent) + _ANSWER_ITEMS)
    except APIStatusError as error:
        if error.status_code not in _DOES_NOT_TELL:
            raise
        raise _unknown(conversation_id, f"the provider does not list the items: {error}") from None
    answer = _behind(sent, held)
    if answer:
        return ModelAnswer(items=answer, usage=Usage(requests=1))
    if answer is not None:
        raise _unknown(conversation_id, "it holds the request without an answer")
    marks = [_mark(item) for item in held]
    if any(mark in marks for mark in sent if mark[0] == "id"):
        raise _unknown(conversation_id, "it holds a part of the request")
    return None


async def conversation_items(client: AsyncOpenAI, conversation_id: str, limit: int) -> list[dict[str, Any]]:
    """A conversation's newest items, about `limit` of them, the oldest of them first."""
    newest_first: list[dict[str, Any]] = []
    while True:
        params: dict[str, Any] = {"order": "desc", "limit": PAGE_ITEMS}
        if newest_first:
            params["after"] = newest_first[-1].get("id")
        page = await _page(client, conversation_id, params)
        items = cast("list[dict[str, Any]]", page.get("data") or [])
        newest_first += items
        if len(newest_first) >= limit or not items or not page.get("has_more"):
            return newest_first[::-1]


async def _page(client: AsyncOpenAI, conversation_id: str, params: dict[str, Any]) -> dict[str, Any]:
    path = f"/conversations/{quote(conversation_id, safe='')}/items"
    options: Any = {"params": params, "security": {"bearer_auth": True}}
    response = await client.get(path, cast_to=AsyncAPIResponse[bytes], options=options)
    return json_object(await response.read())


def _behind(sent: Sequence[tuple[Any, ...]], held: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """What stands behind the request's items at the conversation's end; None if they do not stand there."""
    marks = [_mark(item) for item in held]
    for start in range(len(held) - len(sent), -1, -1):
        behind = held[start + len(sent) :]
        if any(_is_input(item) for item in behind):
            return None
        if marks[start : start + len(sent)] == list(sent):
            return behind
    return None


def _is_input(item: dict[str, Any]) -> bool:
    kind = str(item.get("type") or "message")
    if kind == "message":
        return item.get("role") in _INPUT_ROLES
    return kind.endswith("_output") or kind == "mcp_approval_response"


def _mark(item: dict[str, Any]) -> tuple[Any, ...]:
    """What an item is known by, in the request and in the conversation."""
    kind = item.get("type") or "message"
    if kind == "message":
        return ("message", item.get("role"), _said(item.get("content")))
    for name in ("call_id", "approval_request_id", "id"):
        if item.get(name):
            return ("id", kind, item[name])
    return (kind,)


def _said(content: Any) -> tuple[Any, ...]:
    if isinstance(content, str):
        return (("text", content),)
    parts = cast("list[dict[str, Any]]", content or [])
    return tuple(("text", part["text"]) if "text" in part else (part.get("type"), "") for part in parts)


def _unknown(conversation_id: str, what: str) -> ConversationStateUnknown:
    return ConversationStateUnknown(
        f"Whether the provider accepted a request that was lost on the way is unknown: of conversation "
        f"{conversation_id!r}, {what}. Look at the conversation at the provider; then start a run that goes on from it."
    )
