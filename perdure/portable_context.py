"""How a context travels: its state as JSON, its resources not at all.

State is what a pydantic model, dataclass or dict holds under public names. Fields that are private (`_name`) or
excluded (pydantic's `Field(exclude=True)`, a dataclass field's `metadata={"exclude": True}`) are resources, such as
connections: they stay where they are, and each call is lent those of the caller's own object.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import sys
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, cast, get_type_hints

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_jsonable_python

from perdure.canonical import clean, encode
from perdure.errors import ContextNotPortableError, UserError
from perdure.limits import MAX_CONTEXT_BYTES

# Stands among changed fields for a key that was taken out of a dict.
REMOVED: dict[str, bool] = {"perdure_removed": True}


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
    """A context with this state and the resources of `template`; without a template, a copy of the state."""
    if state is None or template is None:
        return copy.deepcopy(state)
    opened = copy.copy(template)
    replace_state(opened, state, public_keys(opened))
    return opened


def replace_state(context: Any, state: dict[str, Any], known: frozenset[str]) -> None:
    """Gives a context this state, in place; keys of a dict that are `known` and not in the state are taken out."""
    update_context(context, {**dict.fromkeys(known - state.keys(), REMOVED), **state})


def public_keys(context: Any) -> frozenset[str]:
    """The keys of a dict that travel; none for a context of another kind, whose fields stay."""
    return frozenset(_fields(context)) if isinstance(context, dict) else frozenset()


def update_context(context: Any, state: dict[str, Any]) -> None:
    """Gives a context these fields, in place; what a dict has beside them stays."""
    if isinstance(context, dict):
        entries = cast("dict[str, Any]", context)
        entries.update(copy.deepcopy(state))
        for name in [name for name, value in state.items() if value == REMOVED]:
            del entries[name]
        return
    known, kind = _fields(context), cast("type[Any]", type(context))
    for name, value in state.items():
        if name in known:
            _assign(context, name, TypeAdapter[Any](_type_of(kind, name)).validate_python(copy.deepcopy(value)))


def changed_fields(before: dict[str, Any] | None, context: Any) -> dict[str, Any]:
    """The top-level fields of a context that differ from what it was opened with; `REMOVED` for keys that are gone."""
    after = context_state(context) or {}
    known = before or {}
    changed = {name: value for name, value in after.items() if name not in known or known[name] != value}
    gone = known.keys() - after.keys() if isinstance(context, dict) else ()
    return changed | dict.fromkeys(sorted(gone), REMOVED)


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
        for name in entries:
            if not isinstance(name, str):
                raise ContextNotPortableError(
                    f"Key {name!r:.80} of the context is no string, as JSON wants it; use one."
                )
        return {name: value for name, value in entries.items() if not name.startswith("_")}
    raise ContextNotPortableError(
        f"A context of type {type(context).__name__} cannot travel between processes: use a pydantic model, a "
        "dataclass or a dict for its state, with connections and other resources in private fields (_name)."
    )


@lru_cache(maxsize=1024)
def _type_of(kind: type[Any], name: str) -> Any:
    """The type of a context's field, by which its state is read back."""
    if issubclass(kind, BaseModel):
        return kind.model_fields[name].annotation
    owner = next(each for each in kind.__mro__ if name in vars(each).get("__annotations__", {}))
    alone = SimpleNamespace(__annotations__={name: vars(owner)["__annotations__"][name]})
    try:
        return get_type_hints(alone, vars(sys.modules[owner.__module__]), dict(vars(owner)), include_extras=True)[name]
    except NameError as error:
        raise ContextNotPortableError(
            f"The type of field {name!r} of the context ({kind.__name__}) cannot be found: {error}. Define it at the "
            f"top of a module, not in a function or under TYPE_CHECKING; or make the field private (_{name})."
        ) from None


def _assign(context: Any, name: str, value: Any) -> None:
    """Sets a field, of a frozen context too: what it froze was this state."""
    kind = cast("Any", type(context))
    if not isinstance(context, BaseModel):
        frozen = kind.__dataclass_params__.frozen
        (object.__setattr__ if frozen else setattr)(context, name, value)
    elif kind.model_config.get("frozen") or kind.model_fields[name].frozen:
        vars(context)[name] = value
    else:
        setattr(context, name, value)


def _portable(context: Any, name: str, value: Any) -> Any:
    kind = cast("type[Any]", type(context))
    is_typed = not issubclass(kind, dict)
    if is_typed:
        _type_of(kind, name)  # what could not be read back must not leave
    try:
        plain = to_jsonable_python(value) if is_typed else value  # without a type, a date would come back as text
        cleaned = clean(plain)
        json.dumps(plain, allow_nan=False)  # what JSON does not have would come back as null
    except (ValueError, TypeError, UserError) as error:  # TypeError: a key that is no text
        raise ContextNotPortableError(
            f"Field {name!r} of the context ({kind.__name__}) holds a {type(value).__name__}, which cannot "
            f"travel as JSON: {str(error)[:200]}. Make it private (_{name}) or exclude it if it is a resource; "
            "resources stay with the caller's object."
        ) from None
    return cleaned
