"""From a function to a tool's schema, and from a model's JSON back to the function's arguments.

Names and types come from the signature, descriptions from the docstring (Google, NumPy or Sphinx style) or from
`Annotated`. A pydantic model with one field per parameter makes the schema and checks the arguments.
"""

from __future__ import annotations

import functools
import inspect
import json
import logging
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NoReturn, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from perdure.context import RunContextWrapper
from perdure.errors import ModelBehaviorError, UserError
from perdure.strict_schema import ensure_strict_json_schema

DocstringStyle = Literal["google", "numpy", "sphinx"]

# What tells a style, one point each; the most points win, and the first of equals.
_STYLE_MARKS: dict[DocstringStyle, tuple[str, ...]] = {
    "sphinx": (r"^:param\s", r"^:type\s", r"^:return:", r"^:rtype:"),
    "numpy": (r"^Parameters\s*\n\s*-{3,}", r"^Returns\s*\n\s*-{3,}", r"^Yields\s*\n\s*-{3,}"),
    "google": (r"^(Args|Arguments):", r"^Returns:", r"^Raises:"),
}


@dataclass(frozen=True)
class Docstring:
    """The parts of a docstring that a model reads: what the function does and what its parameters mean."""

    description: str | None = None
    parameters: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class FunctionSchema:
    """A function as a model sees it.

    Attributes:
        name: The tool's name.
        description: What the tool does; empty without docstring.
        params_json_schema: The JSON schema of the arguments.
        arguments_model: The pydantic model that checks them: one field per parameter.
        signature: The function's signature, which says how each argument is passed.
        takes_context: Whether the first parameter is the run's context, which the model never sees.
    """

    name: str
    description: str
    params_json_schema: dict[str, Any]
    arguments_model: type[BaseModel]
    signature: inspect.Signature
    takes_context: bool

    def bind(self, arguments_json: str) -> tuple[list[Any], dict[str, Any]]:
        """The positional and keyword arguments of the function, without its context.

        Raises:
            ModelBehaviorError: The arguments are not a JSON object or do not fit the schema. The message names the
                parameters and the kind of error, never what the model wrote.
        """
        try:
            values = self.arguments_model.model_validate(parse_arguments(self.name, arguments_json))
        except (ValidationError, RecursionError) as error:
            _refuse_arguments(self.name, _describe_mismatch(error, self.arguments_model))
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        parameters = list(self.signature.parameters.values())[1 if self.takes_context else 0 :]
        for parameter in parameters:
            value = getattr(values, parameter.name)
            if parameter.kind is parameter.VAR_POSITIONAL:
                positional.extend(value)
            elif parameter.kind is parameter.VAR_KEYWORD:
                if not value.keys().isdisjoint(self.signature.parameters):
                    _refuse_arguments(self.name, f"{parameter.name} repeats a named parameter")
                keywords.update(value)
            elif parameter.kind is parameter.KEYWORD_ONLY:
                keywords[parameter.name] = value
            else:
                positional.append(value)
        return positional, keywords


def function_schema(
    func: Callable[..., Any],
    *,
    docstring_style: DocstringStyle | None = None,
    name_override: str | None = None,
    description_override: str | None = None,
    use_docstring_info: bool = True,
    strict_json_schema: bool = True,
) -> FunctionSchema:
    """Reads a function's name, docstring and parameters into a schema.

    Raises:
        UserError: The signature cannot be a tool's; the message says what to change.
    """
    if isinstance(func, functools.partial):
        raise UserError(f"A tool needs a name and a signature of its own, {func!r} has none. Wrap it in a function.")
    name = name_override or getattr(func, "__name__", type(func).__name__)
    docstring = parse_docstring(func, docstring_style) if use_docstring_info else Docstring()
    signature, hints = inspect.signature(func), _type_hints(func, name)
    takes_context = _takes_context(name, signature, hints)
    fields: dict[str, Any] = {}
    closed = False
    for parameter in list(signature.parameters.values())[1 if takes_context else 0 :]:
        closed = closed or parameter.kind is parameter.VAR_KEYWORD
        if closed and strict_json_schema:
            raise UserError(
                f"Tool {name!r} has the parameter **{parameter.name}, which a strict schema cannot express. "
                "Name the parameters, or set strict_mode=False."
            )
        fields[parameter.name] = _field(parameter, hints, docstring.parameters.get(parameter.name))
    model, schema = _arguments_model(name, fields, closed, strict_json_schema)
    description = description_override or docstring.description or ""
    return FunctionSchema(name, description, schema, model, signature, takes_context)


def parse_arguments(tool_name: str, arguments_json: str) -> dict[str, Any]:
    """A tool call's arguments as an object; an empty string counts as an empty one.

    Raises:
        ModelBehaviorError: The text is not a JSON object. The message does not repeat it.
    """
    if not arguments_json:
        return {}
    try:
        arguments = json.loads(arguments_json)
    except json.JSONDecodeError as error:
        _refuse_arguments(tool_name, f"{error.msg} at line {error.lineno}, column {error.colno}")
    except (ValueError, RecursionError) as error:  # a number with too many digits, nesting without end
        _refuse_arguments(tool_name, type(error).__name__)
    if not isinstance(arguments, dict):
        _refuse_arguments(tool_name, "expected a JSON object")
    return cast(dict[str, Any], arguments)


def parse_docstring(func: Callable[..., Any], style: DocstringStyle | None = None) -> Docstring:
    """Reads a function's docstring; without `style`, the style that has most of its marks in the text."""
    text = inspect.getdoc(func)
    if not text:
        return Docstring()
    import griffe  # 80 ms that only programs with documented tools pay, once

    logger = logging.getLogger("griffe")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns about every parameter without a type, which is no fault here
    try:
        sections = griffe.Docstring(text, parser=griffe.Parser(style or _detect_style(text))).parse()
    finally:
        logger.setLevel(level)
    description: str | None = None
    parameters: dict[str, str] = {}
    for section in sections:
        if section.kind is griffe.DocstringSectionKind.text and description is None:
            description = section.value
        elif section.kind is griffe.DocstringSectionKind.parameters:
            parameters.update((one.name.lstrip("*"), one.description) for one in section.value)
    return Docstring(description, parameters)


def _detect_style(text: str) -> DocstringStyle:
    points: dict[DocstringStyle, int] = {
        style: sum(re.search(mark, text, re.MULTILINE) is not None for mark in marks)
        for style, marks in _STYLE_MARKS.items()
    }
    best: DocstringStyle = max(points, key=lambda style: points[style])
    return best if points[best] else "google"


def _type_hints(func: Callable[..., Any], name: str) -> dict[str, Any]:
    source: Any = func if inspect.isroutine(func) else type(func).__call__
    try:
        return typing.get_type_hints(source, include_extras=True)
    except NameError as error:
        raise UserError(
            f"Tool {name!r} has an annotation that cannot be read: {error}. Import the name where the module runs, "
            "not only under TYPE_CHECKING, and define it outside of functions."
        ) from error


def _takes_context(name: str, signature: inspect.Signature, hints: dict[str, Any]) -> bool:
    """Whether the first parameter is the context; anywhere else it is an error."""
    for index, one in enumerate(signature.parameters):
        hint = hints.get(one)
        if any(map(_is_context, typing.get_args(hint))) or (index > 0 and _is_context(hint)):
            raise UserError(
                f"Tool {name!r} has the parameter {one!r} of type {hint}. A RunContextWrapper or ToolContext must be "
                "the first parameter, and never optional."
            )
    return any(_is_context(hints.get(one)) for one in signature.parameters)


def _is_context(hint: Any) -> bool:
    kind = typing.get_origin(hint) or hint
    return isinstance(kind, type) and issubclass(kind, RunContextWrapper)


def _field(parameter: inspect.Parameter, hints: dict[str, Any], documented: str | None) -> tuple[Any, Any]:
    """A parameter as a pydantic field: its type and its default, with the description a model should see."""
    hint = hints.get(parameter.name, Any)
    strings = [one for one in getattr(hint, "__metadata__", ()) if isinstance(one, str)]
    described: dict[str, Any] = {}
    if documented is not None or strings:
        described["description"] = documented if documented is not None else strings[0]
    if parameter.kind is parameter.VAR_POSITIONAL:
        return list[hint], Field(default_factory=list, **described)
    if parameter.kind is parameter.VAR_KEYWORD:
        return dict[str, hint], Field(default_factory=dict, **described)
    default = parameter.default
    if isinstance(default, FieldInfo):
        return Annotated[hint, default], Field(**described)
    if default is not parameter.empty:
        described["default"] = default
    return hint, Field(**described)


def _arguments_model(
    name: str, fields: dict[str, Any], closed: bool, strict: bool
) -> tuple[type[BaseModel], dict[str, Any]]:
    """The model of the arguments and its schema; a mistake in the signature is reported with the tool's name."""
    try:
        config = ConfigDict(extra="forbid") if closed else ConfigDict()
        model = create_model(f"{name}_args", __config__=config, **fields)
        schema = model.model_json_schema()
        return model, ensure_strict_json_schema(schema) if strict else schema
    except UserError as error:
        raise UserError(f"Tool {name!r}: {error.message}") from error
    except Exception as error:
        raise UserError(f"Tool {name!r} has a parameter that cannot be a JSON argument: {error}") from error


def _describe_mismatch(error: ValidationError | RecursionError, model: type[BaseModel]) -> str:
    """Which parameters do not fit and in which way, in pydantic's words for the kind; nothing of the payload."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    known = {one.alias or name for name, one in model.model_fields.items()}
    mistakes: list[str] = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        place = one["loc"][0] if one["loc"] and one["loc"][0] in known else "an argument"
        mistakes.append(f"{place} ({one['type']})")
    return ", ".join(dict.fromkeys(mistakes))


def _refuse_arguments(tool_name: str, reason: str) -> NoReturn:
    raise ModelBehaviorError(f"Invalid JSON input for tool {tool_name}: {reason}") from None
