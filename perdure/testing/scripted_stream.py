"""A scripted answer as the events in which the Responses API would stream it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from perdure.model import ModelResponse
from perdure.openai_types import typed_stream_event


def stream_of(answer: ModelResponse, model: str = "scripted") -> Iterator[Any]:
    """The events of an answer, texts word by word."""
    usage = answer.usage
    counts = {name: getattr(usage, name) for name in ("input_tokens", "output_tokens", "total_tokens")}
    used = {
        **counts,
        "input_tokens_details": {"cached_tokens": usage.input_tokens_details.cached_tokens},
        "output_tokens_details": {"reasoning_tokens": usage.output_tokens_details.reasoning_tokens},
    }
    fixed: dict[str, Any] = {"id": answer.response_id, "object": "response", "created_at": 0, "model": model}
    fixed |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    items = answer.to_input_items()
    for number, event in enumerate(_events(fixed, items, used)):
        yield typed_stream_event({**event, "sequence_number": number})


def _events(fixed: dict[str, Any], items: list[dict[str, Any]], used: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "response.created", "response": {**fixed, "status": "in_progress", "output": []}}
    for index, item in enumerate(items):
        place = {"output_index": index, "item_id": item.get("id") or ""}
        begun: dict[str, Any] = {name: [] if name in ("content", "summary") else value for name, value in item.items()}
        begun |= {"arguments": ""} if "arguments" in item else {}
        yield {"type": "response.output_item.added", "output_index": index, "item": {**begun, "status": "in_progress"}}
        yield from _parts(item, place)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": "response.completed", "response": {**fixed, "status": "completed", "output": items, "usage": used}}


def _parts(item: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if item.get("type") == "function_call":
        kind = "response.function_call_arguments"
        yield {"type": f"{kind}.delta", **place, "delta": item["arguments"]}
        yield {"type": f"{kind}.done", **place, "name": item["name"], "arguments": item["arguments"]}
    parts: list[dict[str, Any]] = item.get("content") or [] if item.get("type") == "message" else []
    for index, part in enumerate(parts):
        name = "refusal" if part.get("type") == "refusal" else "text"
        kind = "response.refusal" if name == "refusal" else "response.output_text"
        where = {**place, "content_index": index}
        yield {"type": "response.content_part.added", **where, "part": {**part, name: ""}}
        for word in re.findall(r"\s*\S+\s*$|\s*\S+|\s+", part[name]):
            yield {"type": f"{kind}.delta", **where, "delta": word, "logprobs": []}
        yield {"type": f"{kind}.done", **where, name: part[name], "logprobs": []}
        yield {"type": "response.content_part.done", **where, "part": part}
