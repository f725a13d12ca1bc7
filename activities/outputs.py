"""Outputs of agents and tools, on their way between the run, which has texts, and user code, which wants values."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, Literal

from pydantic_core import to_json

from perdure.agent import Agent
from perdure.agent_output import dump_output, fitted, output_schema_of, validate_python
from perdure.blobs import BlobStore, load_item, store_item
from perdure.canonical import clean_text, encode
from perdure.contracts.steps import Output, ToolCall
from perdure.errors import ModelBehaviorError, UserError
from perdure.item_json import output_value
from perdure.items import message_text
from perdure.limits import MAX_INLINE_ITEM_BYTES
from perdure.served import AgentNotServed
from perdure.shown_outputs import load_whole, store_output

_TEXT_BYTES = MAX_INLINE_ITEM_BYTES // 2  # what is longer is carried as an item


async def loaded(item: dict[str, Any], blobs: BlobStore | None) -> dict[str, Any]:
    """The item that a stored one stands for."""
    if "perdure_blob" not in item:
        return item
    return json.loads(await asyncio.to_thread(load_item, encode(item), blobs))


async def whole(item: dict[str, Any], blobs: BlobStore | None) -> dict[str, Any]:
    """The item that a stored one stands for, with all of its output, of which the model may be shown less."""
    return await asyncio.to_thread(load_whole, item, blobs) or await loaded(item, blobs)


async def read_output(output: Output | None, agent: Agent[Any], blobs: BlobStore | None) -> Any:
    """An output as user code gets it: a text, a value, or an object of the agent's output type.

    Raises:
        AgentNotServed: The text is not of the output type that the agent has on this worker, so it had another one when
            the text was made.
    """
    if output is None:
        return None
    content = await read_content(output, blobs)
    if output.kind in ("value", "object"):
        return output_value(content, is_value=True)
    return _read_typed(content, agent) if output.kind == "typed" else content


def _read_typed(text: str, agent: Agent[Any]) -> Any:
    schema = output_schema_of(agent.output_type)
    with contextlib.suppress(ModelBehaviorError):
        if schema is not None:
            return schema.validate_json(text)
    raise AgentNotServed(
        f"The run's output is not of the type that agent {agent.name!r} has on this worker, "
        f"{'text' if schema is None else schema.name()}. Deploy a worker that has it as it was."
    )


async def read_final(output: Output | None, agent: Agent[Any], blobs: BlobStore | None) -> Any:
    """An agent's final output as user code gets it: what a tool made is of the agent's output type, if it fits.

    Raises:
        AgentNotServed: See `read_output`.
    """
    value = await read_output(output, agent, blobs)
    return fitted(agent.output_type, value) if output is not None and output.kind == "object" else value


async def read_content(output: Output, blobs: BlobStore | None) -> Any:
    """What an output holds: its text, or the contents that a tool made for the model; all of it."""
    if output.item is None:
        return output.text
    item = await whole(output.item, blobs)
    return item["output"] if item.get("type") == "function_call_output" else message_text(item)


def final_output(value: Any, agent: Agent[Any], blobs: BlobStore | None) -> Output:
    """A final output that a function of the user made of a tool's, as the run keeps it.

    An agent without output type answers with text; one with a type hands on whatever it is, unchecked.

    Raises:
        UserError: The value is not JSON, as that of an agent with output type must be.
    """
    schema = output_schema_of(agent.output_type)
    if schema is None or isinstance(value, str):
        return text_output(str(value), blobs)
    try:
        text = dump_output(schema, value)
        if _is_equal(validate_python(schema, value), value):
            return text_output(text, blobs, "typed")
    except (UserError, ValueError):  # it is of another type, which is allowed here
        return value_output(value, blobs)
    return value_output(value, blobs)


def value_output(value: Any, blobs: BlobStore | None, *, answers: ToolCall | None = None) -> Output:
    """A text, or any other value as JSON; see `text_output`.

    Raises:
        UserError: The value is not JSON.
    """
    if isinstance(value, str):
        return text_output(value, blobs, answers=answers)
    try:
        return text_output(to_json(value).decode(), blobs, "value", answers=answers)
    except ValueError as error:
        raise UserError(
            f"An output is a {type(value).__name__}, which is not JSON ({error}). Use str, numbers, lists, dicts or "
            "models."
        ) from None


def text_output(
    text: str,
    blobs: BlobStore | None,
    kind: Literal["text", "typed", "value", "object"] = "text",
    *,
    answers: ToolCall | None = None,
) -> Output:
    """An output as text; one that is too long to be carried, or to be shown to the model, becomes an item.

    Args:
        text: It.
        blobs: Where large items lie.
        kind: What the text is.
        answers: The call whose output the item is; `None`: it is a message.
    """
    text = clean_text(text)
    extras: dict[str, Any] = {} if kind == "text" else {"kind": kind}
    if len(text.encode()) <= min(_TEXT_BYTES, _TEXT_BYTES if answers is None else answers.output_bytes):
        return Output(text=text, **extras)
    if answers is not None:
        item = {"call_id": answers.model_call_id, "output": text, "type": "function_call_output"}
        return Output(item=store_output(item, blobs, answers.output_bytes), **extras)
    content: list[dict[str, Any]] = [{"annotations": [], "text": text, "type": "output_text"}]
    item: dict[str, Any] = {"content": content, "role": "assistant", "type": "message"}
    return Output(item=store_item(item, blobs), **extras)


def _is_equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
