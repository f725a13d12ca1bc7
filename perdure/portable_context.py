"""How a context travels: its state as JSON, its resources not at all.

State is what a pydantic model, dataclass or dict holds under public names. Fields that are private (`_name`) or
excluded (pydantic's `Field(exclude=True)`, a dataclass field's `metadata={"exclude": True}`) are resources, such as
connections: they stay where they are, and each call is lent those of the caller's own object.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_jsonable_python

from perdure.canonical import canonical, encode
from perdure.errors import ContextNotPortableError, UserError

MAX_CONTEXT_BYTES = 256 * 1024


def context_state(context: Any) -> dict[str, Any] | None:
    """The context's state as JSON by top-level field; `None` for no context.

    Raises:
        ContextNotPortableError: Something in it cannot travel.
    """
    if context is None:
        return None
    state = {name: _portable(context, name, value) for name, value in _fields(context).items()}
    size = len(encode(state))
    if size > MAX_CONTEXT_BYTES:
        raise ContextNotPortableError(
            f"The context of type {type(context).__name__} takes {size} bytes as JSON; at most {MAX_CONTEXT_BYTES} "
            "can travel with each call. Keep large data in a store and only its key in the context."
        )
    return state


def open_context(template: Any, state: dict[str, Any] | None) -> Any:
    """A context with this state and the resources of `template`; without a template, the state itself."""
    if state is None or template is None:
        return state
    opened = copy.copy(template)
    update_context(opened, state)
    return opened


def update_context(context: Any, state: dict[str, Any]) -> None:
    """Gives a context this state, in place."""
    if isinstance(context, dict):
        cast("dict[str, Any]", context).update(copy.deepcopy(state))
        return
    current = _fields(context)
    for name, value in state.items():
        if name in current:
            setattr(context, name, TypeAdapter(_annotation(context, name)).validate_python(copy.deepcopy(value)))


def changed_fields(before: dict[str, Any] | None, context: Any) -> dict[str, Any]:
    """The top-level fields of a context that differ from what it was opened with."""
    after = context_state(context) or {}
    known = before or {}
    return {name: value for name, value in after.items() if name not in known or known[name] != value}


def _fields(context: Any) -> dict[str, Any]:
    if isinstance(context, BaseModel):
        fields = type(context).model_fields
        return {name: getattr(context, name) for name, field in fields.items() if not field.exclude}
    if dataclasses.is_dataclass(context) and not isinstance(context, type):
        return {
            field.name: getattr(context, field.name)
            for field in dataclasses.fields(context)
            if not field.name.startswith("_") and not field.metadata.get("exclude")
        }
    if isinstance(context, dict):
        entries = cast("dict[Any, Any]", context)
        return {str(name): value for name, value in entries.items() if not str(name).startswith("_")}
    raise ContextNotPortableError(
        f"A context of type {type(context).__name__} cannot travel between processes: use a pydantic model, a "
        "dataclass or a dict for its state, with connections and other resources in private fields (_name)."
    )


def _annotation(context: Any, name: str) -> Any:
    if isinstance(context, BaseModel):
        return type(context).model_fields[name].annotation
    return {field.name: field.type for field in dataclasses.fields(context)}[name]


def _portable(context: Any, name: str, value: Any) -> Any:
    try:
        plain = to_jsonable_python(value)
        canonical(plain)
    except (ValueError, UserError) as error:
        raise ContextNotPortableError(
            f"Field {name!r} of the context ({type(context).__name__}) holds a {type(value).__name__}, which cannot "
            f"travel as JSON: {str(error)[:200]}. Make it private (_{name}) or exclude it if it is a resource; "
            "resources stay with the caller's object."
        ) from None
    return plain
