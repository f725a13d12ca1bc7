"""JSON schemas in the strict form that model providers can enforce while they decode.

Strict means: every object is closed (`additionalProperties: false`), every property is required, `oneOf` is written
as `anyOf`, no default is `null`, and a `$ref` stands alone (one with siblings is replaced by what it refers to).
Rules of the provider: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
"""

from __future__ import annotations

import copy
from typing import Any, cast

from perdure.errors import UserError

Schema = dict[str, Any]

_MAX_DEPTH = 100  # keys from the root, two or three to a level; the provider allows 10 levels
_MAX_NODES = 50_000  # subschemas; definitions that refer to each other twice grow as 2**n, and servers may send such
_RELAX = "or use a schema that is not strict (strict_mode=False, strict_json_schema=False)"


def ensure_strict_json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A copy of `schema` in strict form; the argument itself is left as it is.

    Raises:
        UserError: The schema has a shape that strict mode cannot express; the message names the place.
    """
    if schema == {}:
        return {"additionalProperties": False, "type": "object", "properties": {}, "required": []}
    strict = _Rewriter(copy.deepcopy(schema)).rewrite_root()
    kind = strict.get("type")
    if isinstance(kind, list) and "object" in kind:
        raise UserError(f"The schema's root has type {kind!r}, strict mode needs a plain object. Change it, {_RELAX}.")
    if "anyOf" in strict:
        raise UserError(f"The schema's root is a choice (anyOf), strict mode needs one object. Wrap it, {_RELAX}.")
    return strict


class _Rewriter:
    """Rewrites one schema in place, with the root at hand for references."""

    def __init__(self, root: Schema) -> None:
        self.root = root
        self.original = copy.deepcopy(root)  # references are followed here: the root is half rewritten meanwhile
        self.nodes = 0

    def rewrite_root(self) -> Schema:
        return self.rewrite(self.root, ())

    def rewrite(self, node: Any, path: tuple[str, ...]) -> Schema:
        schema = self._checked(node, path)
        self._rewrite_named(schema, "$defs", path)
        self._rewrite_named(schema, "definitions", path)
        self._close_object(schema, path)
        if isinstance(schema.get("items"), dict):
            schema["items"] = self.rewrite(schema["items"], (*path, "items"))
        self._rewrite_choices(schema, path)
        if "default" in schema and schema["default"] is None:
            del schema["default"]
        return self._replace_reference(schema, path)

    def _checked(self, node: Any, path: tuple[str, ...]) -> Schema:
        if not isinstance(node, dict):
            raise UserError(f"{_place(path)} is {node!r}, strict mode needs an object there. Write one, {_RELAX}.")
        self.nodes += 1
        if len(path) > _MAX_DEPTH or self.nodes > _MAX_NODES:
            raise UserError(
                f"The schema at {_place(path[:6])} is nested without end or too large for strict mode "
                f"({_MAX_DEPTH} keys deep, {_MAX_NODES} subschemas): a definition may refer to itself beside a "
                f"description or default. Remove what stands beside that reference, {_RELAX}."
            )
        return cast(Schema, node)

    def _rewrite_named(self, schema: Schema, key: str, path: tuple[str, ...]) -> None:
        """Rewrites each of the schemas that `key` holds by name."""
        if key not in schema:
            return
        named = schema[key]
        if not isinstance(named, dict):
            raise UserError(f"{_place((*path, key))} is {named!r}, expected an object of schemas. Correct the schema.")
        for name, child in cast(dict[str, Any], named).items():
            named[name] = self.rewrite(child, (*path, key, name))

    def _close_object(self, schema: Schema, path: tuple[str, ...]) -> None:
        kind = schema.get("type", "object" if "properties" in schema or schema.get("additionalProperties") else None)
        if kind == "object" or (isinstance(kind, list) and "object" in kind):
            schema["type"] = "object" if kind == ["object"] else kind
            if schema.get("additionalProperties", False) is not False:
                raise UserError(
                    f"{_place(path)} allows additional properties (a dict, or a model with extra='allow'), which "
                    f"strict mode cannot express. Name the properties, as in a pydantic model, {_RELAX}."
                )
            schema["additionalProperties"] = False
        if "properties" in schema:
            self._rewrite_named(schema, "properties", path)
            schema["required"] = list(schema["properties"])

    def _rewrite_choices(self, schema: Schema, path: tuple[str, ...]) -> None:
        for key in ("anyOf", "oneOf"):
            if isinstance(schema.get(key), list):
                members = schema[key] if key == "anyOf" else schema.pop(key)
                strict = [self.rewrite(member, (*path, key, str(index))) for index, member in enumerate(members)]
                schema["anyOf"] = strict if key == "anyOf" else [*schema.get("anyOf", []), *strict]
        if not isinstance(schema.get("allOf"), list):
            return
        members = [self.rewrite(member, (*path, "allOf", str(i))) for i, member in enumerate(schema["allOf"])]
        if len(members) != 1:
            schema["allOf"] = members
            return
        del schema["allOf"]
        only = members[0]
        if "$ref" in only:
            only = self.rewrite(self._resolve(only["$ref"], path), (*path, "allOf", "0"))
        merged = only | schema
        schema.clear()
        schema.update(merged)

    def _replace_reference(self, schema: Schema, path: tuple[str, ...]) -> Schema:
        """A reference with siblings becomes what it refers to, where the siblings win; a lone one stays."""
        if "$ref" not in schema or len(schema) == 1:
            return schema
        target = self._resolve(schema.pop("$ref"), path)
        for key, value in target.items():
            schema.setdefault(key, value)
        return self.rewrite(schema, (*path, "$ref"))

    def _resolve(self, reference: Any, path: tuple[str, ...]) -> Schema:
        node: Any = self.original
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise UserError(f"{_place(path)} refers to {reference!r}. Use a reference inside the schema (#/...).")
        for part in reference[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, dict) or key not in node:
                raise UserError(f"{_place(path)} refers to {reference!r}, which the schema does not define. Add it.")
            node = cast(Schema, node)[key]
        return copy.deepcopy(self._checked(node, path))


def _place(path: tuple[str, ...]) -> str:
    return f"'{'.'.join(path)}'" if path else "The root"
