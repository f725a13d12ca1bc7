"""What a tool returned, as the model gets it."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from perdure.canonical import clean_text
from perdure.context import RunContextWrapper
from perdure.errors import UserError
from perdure.limits import MAX_ITEM_BYTES
from perdure.tool import default_tool_error_function
from perdure.tool_output import structured_output

_CUT = "bytes reach a model]"


def as_output(
    tool_name: str, context: RunContextWrapper[Any], result: Any, output_format: str
) -> tuple[str | list[dict[str, Any]], bool]:
    """A tool's result as the `output` of the item that answers the call, and whether it is the JSON of a value.

    Args:
        tool_name: For the text that the model gets where a result is not JSON.
        context: The call's.
        result: What the tool returned; texts, images and files for the model become a list of contents.
        output_format: `"json"`, or `"str"` for Python's text of the value.
    """
    if isinstance(result, str):
        return _bounded(result), False
    contents = structured_output(result)
    if contents is not None:
        return contents, False
    if output_format == "str":
        return _bounded(str(result)), False
    try:
        text = _bounded(to_json(result).decode())
    except ValueError as error:
        hint = f"tool {tool_name} returned a {type(result).__name__}, which is not JSON ({error})"
        advice = UserError(f"{hint}. Return str, numbers, lists, dicts or models.")
        return _bounded(default_tool_error_function(context, advice)), False
    return text, not text.endswith(_CUT)


def _bounded(text: str) -> str:
    text = clean_text(text)
    data = text.encode()
    if len(data) <= MAX_ITEM_BYTES:
        return text
    kept = data[: MAX_ITEM_BYTES // 2].decode("utf-8", "ignore")
    return f"{kept}\n[cut: the first half of what may be shown; of {len(data)} no more than {MAX_ITEM_BYTES} {_CUT}"
