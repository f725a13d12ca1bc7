"""What a tool returned, as the item that answers the call has it."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import to_json

from perdure.agent import Agent
from perdure.agent_output import output_schema_of
from perdure.blobs import BlobStore
from perdure.canonical import clean_text
from perdure.context import ToolContext
from perdure.contracts.steps import CallToolOutput, ToolCall
from perdure.errors import describe_exception
from perdure.limits import MAX_OUTPUT_BYTES
from perdure.shown_outputs import store_output
from perdure.tool_output import structured_output

from .surroundings import context_changes

_CUT = "bytes are kept]"


def tool_output(call: ToolCall, context: ToolContext[Any], result: Any, blobs: BlobStore | None) -> CallToolOutput:
    """What a call returned, as the item that answers it."""
    output, is_value = as_output(result, call.output_format)
    item = {"call_id": call.model_call_id, "output": output, "type": "function_call_output"}
    extras = context_changes(call, context)
    if is_value:
        extras["is_value"] = True
        if is_object(result, context.agent, output):
            extras["is_object"] = True
    return CallToolOutput(item=store_output(item, blobs, call.output_bytes), **extras)


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
    return text, not text.endswith(_CUT) and _is_readable(text)


def _is_readable(text: str) -> bool:
    """Whether JSON can be read back; that of an integer of over 4,300 digits cannot, and is told as a text."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


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
    if len(data) <= MAX_OUTPUT_BYTES:
        return text
    kept = data[:MAX_OUTPUT_BYTES].decode("utf-8", "ignore")
    return f"{kept}\n[cut: of {len(data)} bytes no more than {MAX_OUTPUT_BYTES} {_CUT}"
