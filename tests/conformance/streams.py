"""Answers of both APIs as they are streamed: the same items, piece by piece."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

Event = dict[str, Any]


def streamed(body: dict[str, Any]) -> bytes:
    """A whole answer as a stream of server-sent events."""
    if body.get("object") == "chat.completion":
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chat_chunks(body)]
    else:
        events = ({**event, "sequence_number": number} for number, event in enumerate(response_events(body)))
        lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


def pieces(text: str) -> list[str]:
    """A text word by word."""
    return re.findall(r"\s*\S+\s*$|\s*\S+|\s+", text)


def response_events(body: dict[str, Any]) -> Iterator[Event]:
    """The events of the Responses API; the last one says how the answer ended."""
    begun = {name: value for name, value in body.items() if name != "usage"} | {"status": "in_progress", "output": []}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(body["output"]):
        opened = item | {name: [] for name in ("content", "summary") if name in item}
        opened |= {"arguments": ""} if "arguments" in item else {}
        opened |= {"status": "in_progress"} if "status" in item else {}
        yield {"type": "response.output_item.added", "output_index": index, "item": opened}
        yield from _parts(item, {"output_index": index, "item_id": item["id"]})
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": f"response.{body['status']}", "response": body}


def _parts(item: dict[str, Any], place: Event) -> Iterator[Event]:
    if "arguments" in item:
        kind = "response.function_call_arguments"
        for piece in pieces(item["arguments"]):
            yield {"type": f"{kind}.delta", **place, "delta": piece}
        yield {"type": f"{kind}.done", **place, "name": item["name"], "arguments": item["arguments"]}
    for index, part in enumerate(item.get("summary", [])):
        where, kind = {**place, "summary_index": index}, "response.reasoning_summary"
        yield {"type": f"{kind}_part.added", **where, "part": {**part, "text": ""}}
        yield {"type": f"{kind}_text.delta", **where, "delta": part["text"]}
        yield {"type": f"{kind}_text.done", **where, "text": part["text"]}
        yield {"type": f"{kind}_part.done", **where, "part": part}
    for index, part in enumerate(item.get("content", [])):
        name = "refusal" if part["type"] == "refusal" else "text"
        where, kind = (
            {**place, "content_index": index},
            "response.refusal" if name == "refusal" else "response.output_text",
        )
        more: Event = {} if name == "refusal" else {"logprobs": []}
        yield {"type": "response.content_part.added", **where, "part": {**part, name: ""}}
        for piece in pieces(part[name]):
            yield {"type": f"{kind}.delta", **where, "delta": piece, **more}
        yield {"type": f"{kind}.done", **where, name: part[name], **more}
        yield {"type": "response.content_part.done", **where, "part": part}


def chat_chunks(body: dict[str, Any]) -> Iterator[Event]:
    """The chunks of the Chat Completions API, with what was used in the last one."""
    [choice] = body["choices"]
    message = choice["message"]
    fixed = {"id": body["id"], "object": "chat.completion.chunk", "created": body["created"], "model": body["model"]}

    def chunk(delta: Event, reason: str | None = None) -> Event:
        return {**fixed, "choices": [{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}]}

    yield chunk({"role": "assistant", "content": ""})
    for name in ("reasoning_content", "content", "refusal"):
        for piece in pieces(message.get(name) or ""):
            yield chunk({name: piece})
    for index, call in enumerate(message.get("tool_calls", [])):
        function = call["function"]
        begun = {"index": index, **call, "function": {"name": function["name"], "arguments": ""}}
        yield chunk({"tool_calls": [begun]})
        for piece in pieces(function["arguments"]):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, choice["finish_reason"])
    yield {**fixed, "choices": [], "usage": body["usage"]}
