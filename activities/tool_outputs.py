"""What a tool returned, as the model gets it."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import to_json

from perdure.agent import Agent
from perdure.agent_output import output_schema_of
from perdure.canonical import clean_text
from perdure.errors import describe_exception
from perdure.limits import MAX_ITEM_BYTES
from perdure.tool_output import structured_output

_CUT = "bytes reach a model]"


def as_output(result: Any, output_format: str) -> tuple[str | list[dict[str, Any]], bool]:
    """A tool's result as the `output` of the item that answers the call, and whether it is the JSON of a value.

    A result that has no JSON is told as its text, not as a failure: what the tool did is done, and a model that is told
    of a failure may do it again.

    Args:
        result: What the tool returned; texts, images and files for the model become a list of contents.
        output_format: `"json"`, or `"str"` for Python's text of the value.
    """
    if isinstance(result, str):
        return _bounded(result), False
    contents = structured_output(result)
    if contents is not None:
        return contents, False
    if output_format == "str":
        return _bounded(_text(result)), False
    try:
        text = _bounded(to_json(result).decode())
    except Exception:  # noqa: BLE001  an object's own serialiser may raise anything
        return _bounded(_text(result)), False
    return text, not text.endswith(_CUT)


def is_object(result: Any, agent: Agent[Any] | None, output: str | list[dict[str, Any]]) -> bool:
    """Whether a result is more than the value that its JSON stands for, as an agent with an output type may want."""
    if agent is None or not isinstance(output, str) or output_schema_of(agent.output_type) is None:
        return False
    try:
        return not bool(json.loads(output) == result)
    except Exception:  # noqa: BLE001  what cannot be compared with a value is none
        return True


def _text(result: Any) -> str:
    try:
        return str(result)
    except Exception as error:  # noqa: BLE001  as above
        said = describe_exception(error)["message"]
        return f"<{type(result).__name__} whose text cannot be read: {said}>"


def _bounded(text: str) -> str:
    text = clean_text(text)
    data = text.encode()
    if len(data) <= MAX_ITEM_BYTES:
        return text
    kept = data[: MAX_ITEM_BYTES // 2].decode("utf-8", "ignore")
    return f"{kept}\n[cut: the first half of what may be shown; of {len(data)} no more than {MAX_ITEM_BYTES} {_CUT}"
