"""What a scripted model says: items of the Responses API, and answers of both APIs made of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Item = dict[str, Any]
INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS, REASONING_TOKENS = 10, 4, 5, 2


@dataclass(frozen=True)
class Failure:
    """An answer that is an error."""

    status: int
    message: str = "no"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Later:
    """An answer that takes a while, or gives other fields than usual."""

    answer: Any
    seconds: float = 0.0
    fields: tuple[tuple[str, Any], ...] = ()


def said(answer: Any, seconds: float = 0.0, **fields: Any) -> Later:
    """An answer after some seconds, with these fields of the response instead of the usual ones."""
    return Later(answer, seconds, tuple(fields.items()))


def say(*texts: str, **more: Any) -> Item:
    """A message of these text parts."""
    parts = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {"type": "message", "role": "assistant", "status": "completed", "content": parts, **more}


def refuse(text: str) -> Item:
    content = [{"type": "refusal", "refusal": text}]
    return {"type": "message", "role": "assistant", "status": "completed", "content": content}


def call(tool: str, /, _id: str | None = None, _raw: str | None = None, **arguments: Any) -> Item:
    """A call of a function tool; `_raw` is the argument text where it is not the arguments' JSON."""
    text = json.dumps(arguments) if _raw is None else _raw
    item = {"type": "function_call", "name": tool, "arguments": text, "status": "completed"}
    return item if _id is None else {**item, "call_id": _id}


def transfer(agent: str, _id: str | None = None, **arguments: Any) -> Item:
    """A handoff to the agent of this name."""
    return call(f"transfer_to_{agent.lower().replace(' ', '_')}", _id, **arguments)


def think(text: str = "hmm") -> Item:
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": text}]}


def search() -> Item:
    """A web search that the provider made."""
    return {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}


def items_of(answer: Any, lane: str, turn: int) -> list[Item]:
    """The items of an answer, with the ids they get by their place."""
    given = answer if isinstance(answer, list) else [answer]
    items = [say(item) if isinstance(item, str) else dict(item) for item in given]
    prefixes = {"message": "msg", "function_call": "fc", "reasoning": "rs", "web_search_call": "ws"}
    for place, item in enumerate(items):
        item.setdefault("id", f"{prefixes.get(item['type'], 'it')}_{lane}_{turn}_{place}")
        if item["type"] == "function_call":
            item.setdefault("call_id", f"call_{lane}_{turn}_{place}")
    return items


def response(items: list[Item], model: str, lane: str, turn: int, **fields: Any) -> dict[str, Any]:
    """The answer of the Responses API."""
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS, "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS}
    details = {"input_tokens_details": {"cached_tokens": CACHED_TOKENS, "cache_write_tokens": 0}}
    details |= {"output_tokens_details": {"reasoning_tokens": REASONING_TOKENS}}
    fixed = {"id": f"resp_{lane}_{turn}", "object": "response", "created_at": 1, "model": model, "status": "completed"}
    choice = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    return {**fixed, **choice, "output": items, "usage": {**usage, **details}, **fields}


def chat_completion(items: list[Item], model: str, lane: str, turn: int) -> dict[str, Any]:
    """The answer of the Chat Completions API."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    for item in items:
        if item["type"] == "message":
            part = item["content"][0]
            message["refusal" if part["type"] == "refusal" else "content"] = part.get("text", part.get("refusal"))
        elif item["type"] == "function_call":
            function = {"name": item["name"], "arguments": item["arguments"]}
            message.setdefault("tool_calls", []).append(
                {"id": item["call_id"], "type": "function", "function": function}
            )
    reason = "tool_calls" if "tool_calls" in message else "stop"
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS}
    usage["total_tokens"] = INPUT_TOKENS + OUTPUT_TOKENS
    choice = {"index": 0, "finish_reason": reason, "message": message, "logprobs": None}
    fixed = {"id": f"chat_{lane}_{turn}", "object": "chat.completion", "created": 1, "model": model}
    return {**fixed, "choices": [choice], "usage": usage}
