"""A context in the JSON of a run's state, and back."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from pydantic import BaseModel

from perdure.context import RunContextWrapper
from perdure.errors import UserError
from perdure.portable_context import context_state

_log = logging.getLogger("perdure")

ContextSerializer: TypeAlias = Callable[[Any], Mapping[str, Any]]
ContextDeserializer: TypeAlias = Callable[[Mapping[str, Any]], Any]


def dump_context(context: Any, serializer: ContextSerializer | None, *, strict: bool) -> dict[str, Any]:
    """A context as JSON, under `value`, with what it was: `kind` is `none`, `mapping`, `serialized` or `omitted`.

    A pydantic model or dataclass keeps its state, without private and excluded fields. Its type does not travel, as no
    class is ever imported by a name in a document: it comes back as a dict, unless the reader says otherwise.

    Raises:
        UserError: It is no mapping, and `strict` wants one or a serializer.
    """
    if context is None:
        return {"kind": "none", "value": None}
    if isinstance(context, Mapping):
        return {"kind": "mapping", "value": context_state(dict(cast("Mapping[str, Any]", context)))}
    name = type(context).__name__
    if serializer is not None:
        value: Any = serializer(context)
        if not isinstance(value, Mapping):
            raise UserError(f"The context_serializer returned a {type(value).__name__} for {name}; return a mapping.")
        state = context_state(dict(cast("Mapping[str, Any]", value)))
        return {"kind": "serialized", "type": name, "value": state}
    if strict:
        raise UserError(
            f"The context is a {name}, and strict_context wants a mapping: give a context_serializer for it."
        )
    if isinstance(context, BaseModel) or dataclasses.is_dataclass(context):
        _log.warning(
            "the run state holds a %s as plain data; give from_json a context_deserializer or context_override", name
        )
        return {"kind": "serialized", "type": name, "value": context_state(context)}
    _log.warning("the run state leaves the context out: a %s is no data; give a context_serializer", name)
    return {"kind": "omitted", "type": name, "value": {}}


def load_context(
    saved: dict[str, Any], override: Any, deserializer: ContextDeserializer | None, *, strict: bool
) -> Any:
    """The context of a state that is read: what the reader gives, what its deserializer makes, or the plain data.

    Raises:
        UserError: It was of a type of its own, and `strict` wants a deserializer or an override.
    """
    if override is not None:
        return _unwrapped(override)
    kind, value = saved["kind"], saved["value"]
    if kind == "none":
        return None
    if deserializer is not None:
        return _unwrapped(deserializer(value))
    if kind == "mapping":
        return value
    text = (
        f"The run state's context was a {saved.get('type')} and "
        f"{'was left out' if kind == 'omitted' else 'is plain data now'}: give a "
        f"{'context_override' if kind == 'omitted' else 'context_deserializer or context_override'}."
    )
    if strict:
        raise UserError(text)
    _log.warning("%s", text)
    return value


def _unwrapped(context: Any) -> Any:
    return cast("RunContextWrapper[Any]", context).context if isinstance(context, RunContextWrapper) else context
