"""Effects: what a tool with `effect="once"` changes in the world, the key that names it, and what became of it.

A key says what may happen only once, whoever asks for it: `key="refund:{order_id}"` of two runs about one order is one
refund. Without a key each call is an effect of its own.
"""

from __future__ import annotations

import json
import string
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import quote

from perdure.canonical import clean, clean_text, digest_of
from perdure.errors import UserError

if TYPE_CHECKING:
    from perdure.context import ToolContext

_MAX_KEY_CHARACTERS = 400  # of the 1,000 that an id of a workflow may have at Temporal; a longer key ends in its digest
_SHOWN_CHARACTERS = 200  # of a key that is too long


@dataclass(frozen=True, slots=True)
class Happened:
    """What a tool's `verify` returns of an effect that did happen; `result` is what the call would have returned."""

    result: Any = None


class DidNotHappen(Exception):
    """Raised by a tool, or by its `verify`: the effect certainly did not happen, so it may be tried again.

    Whatever else a tool raises leaves that open, and its key is not used again before somebody has found out.
    """


_Found: TypeAlias = Happened | None
EffectVerifier: TypeAlias = "Callable[[ToolContext[Any], dict[str, Any]], _Found | Awaitable[_Found]]"


def check_key(tool: str, key: Any, schema: dict[str, Any]) -> None:
    """Refuses a key that no call could have.

    Raises:
        UserError: It is no text, names what is no argument, or says how to format one.
    """
    if not isinstance(key, str) or not key.strip():
        raise UserError(f'Tool {tool!r} has key={key!r}. Give a text such as "refund:{{order_id}}".')
    known = cast("dict[str, Any]", schema.get("properties", {}))
    try:
        fields = [(name, spec, conversion) for _, name, spec, conversion in string.Formatter().parse(key)]
    except ValueError as error:
        raise UserError(f"Tool {tool!r} has key={key!r}, which cannot be read: {error}.") from None
    for name, spec, conversion in (each for each in fields if each[0] is not None):
        if name not in known or spec or conversion:
            raise UserError(
                f"Tool {tool!r} has key={key!r}, and {name!r} is not the name of an argument. Put names of arguments "
                f"alone into the braces: {', '.join(known) or 'this tool has none'}."
            )


def effect_key(key: str, arguments: str, schema: dict[str, Any]) -> str:
    """The key of one call: the template with the call's arguments, or their defaults, in it.

    Args:
        key: The template.
        arguments: As the model wrote them.
        schema: The JSON schema of the arguments.

    Raises:
        DidNotHappen: The arguments are no object, or lack one that the key names: the call cannot be run.
    """
    try:
        given: Any = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise DidNotHappen("The arguments are not a JSON object.")
    values: dict[str, str] = {}
    for _, name, _, _ in string.Formatter().parse(key):
        if name:
            values[name] = _value(name, cast("dict[str, Any]", given), schema)
    return shortened(string.Formatter().vformat(key, (), values))


def _value(name: str, given: dict[str, Any], schema: dict[str, Any]) -> str:
    """An argument as it stands in a key; equal ones read alike, and none can be taken for another part of the key."""
    known = cast("dict[str, Any]", schema.get("properties", {})).get(name, {})
    if name not in given and "default" not in known:
        raise DidNotHappen(f"The argument {name!r} is missing.")
    value = given.get(name, known.get("default"))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = clean_text(value) if isinstance(value, str) else json.dumps(clean(value), sort_keys=True)
    return quote(text, safe="@+,. -_")


def shortened(key: str) -> str:
    """A key that an id can hold; of one that is too long a digest tells the rest."""
    if len(key) <= _MAX_KEY_CHARACTERS:
        return key
    return f"{key[:_SHOWN_CHARACTERS]}…{digest_of(key)}"
