"""The type of an agent's final output: its JSON schema for the model, and from the model's JSON back to a value."""

from __future__ import annotations

import abc
import json
import typing
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import to_json
from typing_extensions import TypedDict, override

from perdure.errors import ModelBehaviorError, UserError
from perdure.strict_schema import ensure_strict_json_schema

_WRAPPER = "response"  # the one key of the object around a value that is none; providers want an object at the root
_WIRE_NAME = "final_output"


class AgentOutputSchemaBase(abc.ABC):
    """What a final output must be, and how it is read from the model's text. Subclass it for a format of your own."""

    @abc.abstractmethod
    def is_plain_text(self) -> bool:
        """Whether the output is the model's text as it stands."""

    @abc.abstractmethod
    def name(self) -> str:
        """The type's name, for people."""

    @abc.abstractmethod
    def json_schema(self) -> dict[str, Any]:
        """The JSON schema that the model is given; its root must be an object."""

    @abc.abstractmethod
    def is_strict_json_schema(self) -> bool:
        """Whether the provider enforces the schema."""

    @abc.abstractmethod
    def validate_json(self, json_str: str) -> Any:
        """The value that the model's text stands for.

        Raises:
            ModelBehaviorError: The text does not fit.
        """


@dataclass(init=False)
class AgentOutputSchema(AgentOutputSchemaBase):
    """The schema of a Python type: a pydantic model, a dataclass, a `TypedDict`, a list, a union, a number, a bool.

    A type that is no object in JSON travels inside one, under the key `response`.

    Attributes:
        output_type: The type; `None` and `str` mean plain text.
    """

    output_type: Any
    _strict: bool = field(repr=False)
    _wrapped: bool = field(repr=False)
    _adapter: TypeAdapter[Any] = field(repr=False)
    _schema: dict[str, Any] = field(repr=False)

    def __init__(self, output_type: Any, strict_json_schema: bool = True) -> None:
        """Reads the type.

        Raises:
            UserError: The type has no JSON schema, or none that can be strict and `strict_json_schema` is on.
        """
        self.output_type = output_type
        self._strict = strict_json_schema
        self._wrapped = not self.is_plain_text() and not _is_object(output_type)
        try:
            self._adapter = TypeAdapter(_wrapper_of(output_type) if self._wrapped else output_type)
            schema = {} if self.is_plain_text() else self._adapter.json_schema()
        except (PydanticUserError, NameError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"The output type {self.name()} has no JSON schema: {reason}") from error
        self._schema = self._made_strict(schema) if schema and strict_json_schema else schema

    @override
    def is_plain_text(self) -> bool:
        return self.output_type in (None, str)

    @override
    def name(self) -> str:
        return _type_name(self.output_type) if self.output_type is not None else "None"

    @override
    def json_schema(self) -> dict[str, Any]:
        if self.is_plain_text():
            raise UserError("The output type is plain text, which has no JSON schema. Ask is_plain_text() first.")
        return self._schema

    @override
    def is_strict_json_schema(self) -> bool:
        return self._strict

    @override
    def validate_json(self, json_str: str) -> Any:
        try:
            value = self._adapter.validate_json(json_str, strict=self._strict or None)  # lax where the schema is
        except (ValueError, RecursionError) as error:
            reason = describe_mismatch(error, _properties(self._schema))
            message = f"Invalid JSON when parsing model output: it is not the JSON of {self.name()} ({reason})."
            raise ModelBehaviorError(message) from None
        return value[_WRAPPER] if self._wrapped else value

    def dump_json(self, value: Any) -> str:
        """The JSON text of a value, whether or not it is one of this type."""
        wrapped = {_WRAPPER: value} if self._wrapped else value
        return self._adapter.dump_json(wrapped, by_alias=True, warnings=False).decode()

    def _made_strict(self, schema: dict[str, Any]) -> dict[str, Any]:
        try:
            return ensure_strict_json_schema(schema)
        except UserError as error:
            raise UserError(
                f"The output type {self.name()} cannot be strict: {error.message} Or wrap the type: "
                f"AgentOutputSchema({self.name()}, strict_json_schema=False)."
            ) from error


def output_schema_of(output_type: Any) -> AgentOutputSchemaBase | None:
    """The schema of an agent's `output_type`; `None` where the output is plain text.

    Raises:
        UserError: The type cannot be an output type.
    """
    schema = output_type if isinstance(output_type, AgentOutputSchemaBase) else AgentOutputSchema(output_type)
    return None if schema.is_plain_text() else schema


def to_wire(schema: AgentOutputSchemaBase) -> dict[str, Any]:
    """The schema as the `text.format` of a request to the Responses API."""
    return {
        "type": "json_schema",
        "name": _WIRE_NAME,
        "schema": schema.json_schema(),
        "strict": schema.is_strict_json_schema(),
    }


def dump_output(schema: AgentOutputSchemaBase, value: Any) -> str:
    """The text that a model would have written for a value: `schema.validate_json` reads it back.

    Raises:
        ValueError: The value has no JSON.
    """
    return schema.dump_json(value) if isinstance(schema, AgentOutputSchema) else to_json(value).decode()


def validate_python(schema: AgentOutputSchemaBase, value: Any) -> Any:
    """A value that an error handler made, checked as if the model had written it.

    Data that fits the type becomes an object of it, as a dict a pydantic model; it may also come in its wrapper.

    Raises:
        UserError: The value does not fit.
    """
    try:
        text = dump_output(schema, value)
    except Exception as error:  # a value of any kind: its serialiser may raise anything
        raise _misfit() from error
    try:
        return schema.validate_json(text)
    except ModelBehaviorError as error:
        if not (isinstance(value, dict) and cast("dict[str, Any]", value).keys() == {_WRAPPER}):
            raise _misfit() from error
    try:
        return schema.validate_json(to_json(value).decode())
    except (ModelBehaviorError, ValueError) as error:
        raise _misfit() from error


def fitted(output_type: Any, value: Any) -> Any:
    """The object of an output type that a tool's JSON value stands for; the value itself, if it stands for none.

    It does if it is just what the type would have written: nothing is left out, filled in or converted.
    """
    schema = output_schema_of(output_type)
    if schema is None:
        return value
    try:
        made = validate_python(schema, value)
        written = json.loads(dump_output(schema, made))
    except (UserError, ValueError):
        return value
    return made if written in (value, {_WRAPPER: value}) else value


def describe_mismatch(error: Exception, known: Collection[str]) -> str:
    """Where data does not fit and in which way, in pydantic's words for the kind; nothing of the data itself.

    Args:
        error: What validating the data raised.
        known: The fields that may be named. Any other name comes from the data.
    """
    if not isinstance(error, ValidationError):
        return "nested too deeply" if isinstance(error, RecursionError) else type(error).__name__
    mistakes: list[str] = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        place = one["loc"][0] if one["loc"] else ""
        mistakes.append(f"{place} ({one['type']})" if place in known else one["type"])
    return ", ".join(dict.fromkeys(mistakes))


def _misfit() -> UserError:
    return UserError("Invalid run error handler final_output for structured output.")


def _is_object(output_type: Any) -> bool:
    """Whether the type's JSON is an object whatever the value; a dataclass is wrapped, as in the Agents SDK."""
    kind = typing.get_origin(output_type) or output_type
    return isinstance(kind, type) and issubclass(kind, BaseModel | dict)


def _wrapper_of(output_type: Any) -> Any:
    return cast(Any, TypedDict)("OutputType", {_WRAPPER: output_type})  # the checker wants a literal key


def _properties(schema: dict[str, Any]) -> Collection[str]:
    return cast("dict[str, Any]", schema.get("properties", {})).keys()


def _type_name(kind: Any) -> str:
    origin = typing.get_origin(kind)
    if origin is not None:
        return f"{_type_name(origin)}[{', '.join(_type_name(each) for each in typing.get_args(kind))}]"
    return getattr(kind, "__name__", None) or repr(kind)
