"""Streams of the Chat Completions API: told as events of the Responses API, and put together to the whole answer.

The events come in the order in which the Agents SDK tells them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from perdure.model import ModelAnswer, Publish

from .chat_answers import NO_ID, read_completion
from .failures import UnusableAnswer
from .openai_answers import as_object, objects
from .server_sent_events import DONE, event_data, event_object
from .streamed_answers import stream_failure

_JOINED = ("content", "refusal", "reasoning_content", "reasoning")
_FIXED: dict[str, Any] = {"id": NO_ID, "object": "response", "parallel_tool_calls": False, "tool_choice": "auto"}


async def whole_completion(
    chunks: AsyncIterator[bytes], publish: Publish, request_id: str | None, model: str, *, keep_raw_usage: bool = False
) -> ModelAnswer:
    """Passes a chat answer on as it comes; returns the whole of it.

    Args:
        chunks: The body.
        publish: Takes each event.
        request_id: The provider's id of the request.
        model: Who answers.
        keep_raw_usage: Whether the answer keeps what the provider itself reported.

    Raises:
        UnusableAnswer: The stream ended before the answer did, or the provider broke it off.
        HollowAnswer: The answer has no choices, or a call that cannot be made.
        ModelBehaviorError: The answer is not whole, or holds what has no form among the items of a run.
    """
    telling = _Telling(publish, model)
    whole = _Completion()
    async with aclosing(event_data(chunks)) as events:
        async for data in events:
            if data.strip() == DONE:
                whole.is_done = True
                break
            chunk = event_object(data)
            if as_object(chunk.get("error")):
                raise stream_failure(chunk)
            telling.begin()
            choice = next((each for each in objects(chunk.get("choices")) if not each.get("index")), as_object(None))
            whole.take(chunk, choice)
            telling.tell(as_object(choice.get("delta")))
    if not whole.is_done and whole.finish_reason is None:
        raise UnusableAnswer("The model's stream ended before its answer was complete: no finish_reason came.")
    answer = read_completion(whole.body(), request_id, model, keep_raw_usage=keep_raw_usage)
    telling.end(answer)
    return answer


@dataclass
class _Completion:
    """A whole answer under construction, as the API has those that are not streamed."""

    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    message: dict[str, Any] = field(default_factory=dict[str, Any])
    calls: dict[Any, dict[str, Any]] = field(default_factory=dict[Any, dict[str, Any]])
    logprobs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    finish_reason: Any = None
    is_done: bool = False

    def take(self, chunk: dict[str, Any], choice: dict[str, Any]) -> None:
        self.fields |= {name: chunk[name] for name in ("id", "usage") if chunk.get(name)}
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        self.logprobs += objects(as_object(choice.get("logprobs")).get("content"))
        delta = as_object(choice.get("delta"))
        if choice:
            self.message.setdefault("role", "assistant")
        for name in _JOINED:
            if isinstance(delta.get(name), str):
                self.message[name] = self.message.get(name, "") + delta[name]
        for name in ("annotations", "thinking_blocks"):
            if objects(delta.get(name)):
                self.message.setdefault(name, []).extend(objects(delta[name]))
        for place, part in enumerate(objects(delta.get("tool_calls"))):
            _join_call(self.calls.setdefault(part.get("index", place), {"function": {"arguments": ""}}), part)

    def body(self) -> bytes:
        message = self.message | ({"tool_calls": [*self.calls.values()]} if self.calls else {})
        choice = {"message": message, "finish_reason": self.finish_reason, "logprobs": {"content": self.logprobs}}
        return json.dumps({**self.fields, "choices": [choice] if message else []}).encode()


def _parts_of(message: dict[str, Any] | None) -> list[dict[str, Any]]:
    return [] if message is None else message["content"]


def _join_call(call: dict[str, Any], part: dict[str, Any]) -> None:
    function, more = call["function"], as_object(part.get("function"))
    call |= {name: part[name] for name in ("id", "type", "extra_content") if part.get(name)}
    if more.get("name"):
        function["name"] = more["name"]
    if isinstance(more.get("arguments"), str):
        function["arguments"] += more["arguments"]


class _Telling:
    """Tells chunks as events of the Responses API."""

    def __init__(self, publish: Publish, model: str) -> None:
        self._publish = publish
        self._model = model
        self._count = 0
        self._places: dict[Any, int] = {}  # of the items that were opened, in order
        self._parts: dict[str, int] = {}  # of the message, by the delta's name
        self._calls: dict[Any, dict[str, Any]] = {}
        self._thoughts: dict[str, str] = {}
        self._has_thought = False

    def begin(self) -> None:
        if not self._count:
            self._say("response.created", response={**_FIXED, "model": self._model, "output": [], "tools": []})

    def tell(self, delta: dict[str, Any]) -> None:
        for name in ("reasoning_content", "reasoning"):
            if isinstance(delta.get(name), str) and delta[name] and not self._has_thought:
                self._think(name, delta[name])
        for name in ("content", "refusal"):
            if isinstance(delta.get(name), str) and (delta[name] or name in self._parts):
                self._end_thoughts()
                self._say_text(name, delta[name])
        for place, part in enumerate(objects(delta.get("tool_calls"))):
            self._end_thoughts()
            self._call(part.get("index", place), part)

    def end(self, answer: ModelAnswer) -> None:
        self._end_thoughts()
        items = {item["type"]: item for item in answer.items}
        calls = [item for item in answer.items if item["type"] == "function_call"]
        message = items.get("message")
        for name, place in sorted(self._parts.items()):
            part = next((each for each in _parts_of(message) if ("refusal" in each) == (name == "refusal")), None)
            self._say("response.content_part.done", "message", content_index=place, part=part)
        for key, item in zip(self._calls, calls, strict=False):
            if key not in self._places:
                self._open_call(key, {**item, "arguments": ""})
                self._say("response.function_call_arguments.delta", key, delta=item["arguments"])
            self._say("response.output_item.done", key, item=item)
        if message is not None and "message" in self._places:
            self._say("response.output_item.done", "message", item=message)
        usage = answer.usage
        tokens = {name: getattr(usage, name) for name in ("input_tokens", "output_tokens", "total_tokens")}
        details = {"input_tokens_details": {"cached_tokens": usage.input_tokens_details.cached_tokens}}
        details |= {"output_tokens_details": {"reasoning_tokens": usage.output_tokens_details.reasoning_tokens}}
        whole = {**_FIXED, "model": self._model, "output": answer.items, "tools": [], "usage": tokens | details}
        self._say("response.completed", response=whole)

    def _say(self, kind: str, key: Any = None, **fields: Any) -> None:
        placed = {} if key is None else {"output_index": self._places.setdefault(key, len(self._places))}
        if placed and "item" not in fields:
            placed |= {"item_id": NO_ID}
        self._publish({"type": kind, **fields, **placed, "sequence_number": self._count})
        self._count += 1

    def _say_text(self, name: str, text: str) -> None:
        if name not in self._parts:
            if not self._parts:
                opened: dict[str, Any] = {
                    "id": NO_ID,
                    "type": "message",
                    "role": "assistant",
                    "status": "in_progress",
                    "content": [],
                }
                self._say("response.output_item.added", "message", item=opened)
            self._parts[name] = len(self._parts)
            part: dict[str, Any] = {"type": "refusal", "refusal": ""}
            if name == "content":
                part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            self._say("response.content_part.added", "message", content_index=self._parts[name], part=part)
        kind = "response.output_text.delta" if name == "content" else "response.refusal.delta"
        more: dict[str, Any] = {"logprobs": []} if name == "content" else {}
        self._say(kind, "message", content_index=self._parts[name], delta=text, **more)

    def _call(self, key: Any, part: dict[str, Any]) -> None:
        call = self._calls.setdefault(key, {"function": {"arguments": ""}})
        _join_call(call, part)
        function = call["function"]
        if key not in self._places and function.get("name") and call.get("id"):
            named = {"call_id": call["id"], "name": function["name"], "arguments": ""}
            self._open_call(key, {"id": NO_ID, "type": "function_call", **named})
        arguments = as_object(part.get("function")).get("arguments")
        if key in self._places and isinstance(arguments, str) and arguments:
            self._say("response.function_call_arguments.delta", key, delta=arguments)

    def _open_call(self, key: Any, item: dict[str, Any]) -> None:
        self._say("response.output_item.added", key, item=item)

    def _think(self, name: str, text: str) -> None:
        is_summary = name == "reasoning_content"
        if not self._thoughts:
            item: dict[str, Any] = {"id": NO_ID, "type": "reasoning", "summary": []}
            self._say("response.output_item.added", "reasoning", item=item)
            if is_summary:
                part = {"type": "summary_text", "text": ""}
                self._say("response.reasoning_summary_part.added", "reasoning", summary_index=0, part=part)
        self._thoughts[name] = self._thoughts.get(name, "") + text
        if is_summary:
            self._say("response.reasoning_summary_text.delta", "reasoning", summary_index=0, delta=text)
        else:
            self._say("response.reasoning_text.delta", "reasoning", content_index=0, delta=text)

    def _end_thoughts(self) -> None:
        if not self._thoughts or self._has_thought:
            return
        self._has_thought = True
        item: dict[str, Any] = {"id": NO_ID, "type": "reasoning", "summary": []}
        summary, text = self._thoughts.get("reasoning_content"), self._thoughts.get("reasoning")
        if summary is not None:
            part = {"type": "summary_text", "text": summary}
            item["summary"] = [part]
            self._say("response.reasoning_summary_part.done", "reasoning", summary_index=0, part=part)
        if text is not None:
            item["content"] = [{"type": "reasoning_text", "text": text}]
            self._say("response.reasoning_text.done", "reasoning", content_index=0, text=text)
        self._say("response.output_item.done", "reasoning", item=item)
