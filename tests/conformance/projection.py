"""Results and exceptions as plain data, so that two sides can be compared."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

# The texts that both sides must have to the letter; how an exception says the rest is free.
_LITERAL = re.compile(
    r"Max turns \(\d+\) exceeded|Guardrail \w+ triggered tripwire|Tool \S+ not found in agent|Tool '.*' timed out after"
    r"|Error running tool \w+: |Model refused to produce output: |Session persistence cannot be combined"
    r"|Invalid run error handler (final_output|result)"
)
SAID = "said"  # what an exception says in full: shown, not compared
_SHORT = ("type", "role", "id", "call_id", "name", "arguments", "output", "status", "content", "summary", "approve")


def plain(value: Any) -> Any:
    """A value as JSON would have it; of an object without a form of its own, the class."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    return next((form(value) for fits, form in _FORMS if fits(value)), f"<{type(value).__name__}>")


def _model(value: BaseModel) -> dict[str, Any]:
    return {"class": type(value).__name__, **plain(value.model_dump(mode="json", exclude_unset=True))}


def _dataclass(value: Any) -> dict[str, Any]:
    fields = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return {"class": type(value).__name__, **fields}


def raw(value: Any) -> dict[str, Any]:
    """A raw item's fields that say something."""
    fields = value.model_dump(mode="json", exclude_unset=True) if isinstance(value, BaseModel) else dict(value)
    return {key: plain(fields[key]) for key in _SHORT if fields.get(key) is not None}


def item(value: Any) -> dict[str, Any]:
    agents = {"agent": value.agent.name}
    for name in ("source_agent", "target_agent"):
        if getattr(value, name, None) is not None:
            agents[name] = getattr(value, name).name
    short = {"type": value.type, **agents, "raw": raw(value.raw_item)}
    return {**short, "output": plain(value.output)} if value.type == "tool_call_output_item" else short


def usage(value: Any) -> dict[str, Any]:
    entries = [[one.input_tokens, one.output_tokens, one.total_tokens] for one in value.request_usage_entries]
    details = {"cached": value.input_tokens_details.cached_tokens}
    details["reasoning"] = value.output_tokens_details.reasoning_tokens
    sums = {name: getattr(value, name) for name in ("requests", "input_tokens", "output_tokens", "total_tokens")}
    return {**sums, **details, "entries": entries}


def interruption(value: Any) -> dict[str, Any]:
    return {
        "agent": value.agent.name, "tool": value.tool_name, "call_id": value.call_id, "arguments": value.arguments,
    }  # fmt: skip


def _guardrails(data: Any) -> dict[str, Any]:
    agent = [[one.guardrail.get_name(), one.output.tripwire_triggered, plain(one.output.output_info)]
             for one in [*data.input_guardrail_results, *data.output_guardrail_results]]  # fmt: skip
    tools = [*(data.tool_input_guardrail_results or []), *(data.tool_output_guardrail_results or [])]
    of_tools = [[one.guardrail.get_name(), plain(one.output.output_info), one.output.behavior["type"]] for one in tools]
    return {"guardrails": agent, "tool_guardrails": of_tools}


def result(value: Any) -> dict[str, Any]:
    return {
        "final_output": plain(value.final_output),
        "final_output_class": type(value.final_output).__name__,
        "last_agent": value.last_agent.name,
        "interruptions": [interruption(one) for one in value.interruptions],
        "input": plain(value.input),
        "new_items": [item(one) for one in value.new_items],
        "to_input_list": plain(value.to_input_list()),
        "usage": usage(value.context_wrapper.usage),
        "responses": [[one.response_id, len(one.output)] for one in value.raw_responses],
        "last_response_id": value.last_response_id,
        **_guardrails(value),
    }


def exception(error: BaseException) -> dict[str, Any]:
    message = str(error)
    own = isinstance(error, ValueError | ArithmeticError) or type(error).__module__.startswith(("tests.", "openai"))
    said = message if own or _LITERAL.match(message) else "(free)"
    data = getattr(error, "run_data", None)
    found = {"raised": type(error).__name__, SAID: message, "message": said}
    return {**found, "run_data": None if data is None else run_data(data)}


def run_data(data: Any) -> dict[str, Any]:
    return {
        "input": plain(data.input),
        "new_items": [item(one) for one in data.new_items],
        "responses": [[one.response_id, len(one.output)] for one in data.raw_responses],
        "last_agent": data.last_agent.name,
        "usage": usage(data.context_wrapper.usage),
        **_guardrails(data),
    }


def streamed_event(event: Any) -> list[Any]:
    """A streamed event: its type, its name, and what it is about."""
    match event.type:
        case "agent_updated_stream_event":
            return [event.type, event.new_agent.name]
        case "run_item_stream_event":
            return [event.type, event.name, item(event.item)]
        case _:
            return [event.type, event.data.type, _raw_event(event.data)]


def _raw_event(data: Any) -> dict[str, Any]:
    """A model's event; of the responses in it, how far they are."""
    fields = data.model_dump(mode="json", exclude_unset=True)
    response = fields.pop("response", None)
    return (
        fields
        if response is None
        else {**fields, "response": [response["id"], response.get("status"), len(response["output"])]}
    )


_FORMS: list[tuple[Callable[[Any], bool], Callable[[Any], Any]]] = [
    (lambda value: isinstance(value, BaseException), exception),
    (lambda value: hasattr(value, "to_input_list") and hasattr(value, "new_items"), result),
    (lambda value: hasattr(value, "raw_item"), item),
    (lambda value: isinstance(value, BaseModel), _model),
    (lambda value: dataclasses.is_dataclass(value) and not isinstance(value, type), _dataclass),
]
