"""Items as the JSON of the Responses API: how the loop keeps them, and what is read from them."""

from __future__ import annotations

import json
import re
from typing import Any, TypeAlias, cast

from pydantic import BaseModel

from perdure.errors import UserError

TResponseInputItem: TypeAlias = dict[str, Any]

_SHA256 = re.compile(r"[0-9a-f]{64}")


def item_json(item: Any) -> TResponseInputItem:
    """An item as JSON, given as that or as a typed object of the openai package.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(item, dict):
        return cast("TResponseInputItem", item)
    if isinstance(item, BaseModel):
        return item.model_dump(mode="json", exclude_unset=True)
    raise TypeError(f"An item is {item!r:.100}, a {type(item).__name__}. Give its JSON, or openai's object for it.")


def is_digest(text: str) -> bool:
    """Whether a text is a SHA-256 in hex."""
    return bool(_SHA256.fullmatch(text))


def is_reference(item: dict[str, Any]) -> bool:
    """Whether the item stands for a larger one in the blob store."""
    blob: Any = item.get("perdure_blob")
    if not isinstance(blob, dict):
        return False
    said = cast("dict[str, Any]", blob)
    return isinstance(said.get("head"), str) and is_digest(str(said.get("sha256")))


def output_value(output: Any, *, is_value: bool) -> Any:
    """What a call's output is to user code: the text or contents themselves, or the value whose JSON the text is."""
    if not is_value or not isinstance(output, str):
        return output
    try:
        return json.loads(output)
    except ValueError:  # the beginning of one, where no more is kept
        return output


def message_text(item: dict[str, Any]) -> str:
    """The text parts of a message, joined; refusals are not text."""
    content = item.get("content")
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text") or "") for part in _parts(content) if part.get("type") == "output_text")


def said_text(item: dict[str, Any]) -> str:
    """The text in a message of anybody: of a user's, too, whose parts have other types."""
    content = item.get("content")
    return content if isinstance(content, str) else "".join(str(part.get("text") or "") for part in _parts(content))


def message_refusal(item: dict[str, Any]) -> str | None:
    """The refusal in a message, if it is one; its parts joined."""
    parts = [part for part in _parts(item.get("content")) if part.get("type") == "refusal"]
    return "".join(str(part.get("refusal") or "") for part in parts) if parts else None


def _parts(content: Any) -> list[dict[str, Any]]:
    """A message's content as far as it has parts: a model of the user's own may send anything."""
    parts = cast("list[Any]", content) if isinstance(content, list) else []
    return [cast("dict[str, Any]", part) for part in parts if isinstance(part, dict)]


def last_part(item: dict[str, Any]) -> dict[str, Any]:
    """The last part of a message's content; empty where there is none."""
    parts = _parts(item.get("content"))
    return parts[-1] if parts else {}


def input_items(input: str | list[TResponseInputItem]) -> list[TResponseInputItem]:
    """A run's input as items: a string is one message of the user.

    Raises:
        UserError: It is neither a string nor items.
    """
    if isinstance(input, str):
        return [{"content": input, "role": "user"}]
    try:
        return [dict(item) for item in input]
    except (TypeError, ValueError) as error:
        kind = type(input).__name__
        raise UserError(
            f"The input is of type {kind}; give a text, or a list of items, each a dict: {error}"
        ) from error
