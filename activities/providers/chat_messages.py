"""A conversation's items as messages of the Chat Completions API.

What this API has no place for (references to items, hosted tools, compaction) is refused; nothing is left out
silently.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any, cast

from perdure.errors import UserError

_log = logging.getLogger("perdure")

REASONING_FIELD = "_chat_completions_reasoning_field"  # the Agents SDK's key, which stored conversations have
_NO_TEXT = "[tool output omitted]"  # the Agents SDK's own words
_INPUT_KEYS = frozenset({"content", "role", "type", "phase"})


def chat_messages(items: Iterable[Any], model: str, *, strict: bool = False) -> list[dict[str, Any]]:
    """The messages that say what these items say.

    Args:
        items: The conversation.
        model: Who is asked: thoughts and signatures go back only to the model that gave them.
        strict: Refuse a tool's output without text instead of naming it so.

    Raises:
        UserError: An item has no form in this API.
    """
    conversation = _Messages(model, strict)
    for item in items:
        conversation.add(item)
    return conversation.finished()


class _Messages:
    """Messages under construction: an assistant's message gathers the calls that follow it."""

    def __init__(self, model: str, strict: bool) -> None:
        self._model = model
        self._strict = strict
        self._done: list[dict[str, Any]] = []
        self._open: dict[str, Any] | None = None
        self._thoughts: dict[str, str] = {}  # of the assistant's turn that begins
        self._adders: dict[str, Callable[[dict[str, Any]], None]] = {
            "message": self._message,
            "function_call": self._call,
            "file_search_call": self._file_search,
            "function_call_output": self._output,
            "reasoning": self._reasoning,
        }

    def add(self, item: Any) -> None:
        fields = cast("dict[str, Any]", item) if isinstance(item, dict) else {"type": "of no kind"}
        adder = self._adders.get(fields.get("type") or "message")
        if adder is None:
            raise UserError(
                f"The Chat Completions API has no place for this item of the conversation: {item!r:.300}. "
                "Use a model of the Responses API."
            )
        adder(fields)

    def finished(self) -> list[dict[str, Any]]:
        self._close()
        return self._done

    def _close(self, *, forget: bool = True) -> None:
        message, self._open = self._open, None
        if message is not None:
            if not message["tool_calls"]:  # the API takes no empty list
                del message["tool_calls"]
                self._thoughts = {}
            self._done.append(message)
        if forget:
            self._thoughts = {}

    def _assistant(self) -> dict[str, Any]:
        if self._open is None:
            self._open = {"role": "assistant", "content": None, "tool_calls": []}
        self._think(self._open)
        return self._open

    def _think(self, message: dict[str, Any]) -> None:
        message.update(self._thoughts)
        self._thoughts = {}

    def _message(self, item: dict[str, Any]) -> None:
        role = item.get("role")
        if role == "assistant" and not set(item) <= _INPUT_KEYS:
            self._answer(item)
            return
        if role not in ("user", "system", "developer", "assistant"):
            raise UserError(f"A message's role is {role!r}; it must be user, system, developer or assistant.")
        self._close()
        content = content_parts(item["content"])
        if role != "user" and isinstance(content, list):
            content = [part for part in content if part["type"] == "text"]
        self._done.append({"role": role, "content": content})

    def _answer(self, item: dict[str, Any]) -> None:
        said: dict[str, Any] = {}
        parts = cast("list[dict[str, Any]]", item["content"])
        texts = [part["text"] for part in parts if part.get("type") == "output_text"]
        refusals = [part["refusal"] for part in parts if part.get("type") == "refusal"]
        if len(texts) + len(refusals) < len(parts):
            raise UserError(f"An assistant's message holds more than text, which cannot be sent: {parts!r:.300}.")
        if texts:
            said["content"] = "\n".join(texts)
        if refusals:
            said["refusal"] = refusals[-1]
        waiting = self._open
        # Calls that came before the text of one answer: two messages in a row, the API would refuse.
        if waiting and waiting["tool_calls"] and waiting.get("content") is None and "refusal" not in waiting:
            waiting.update(said)
            self._think(waiting)
            return
        self._close(forget=False)
        self._open = {"role": "assistant", **said, "tool_calls": []}
        self._think(self._open)

    def _call(self, item: dict[str, Any]) -> None:
        function = {"name": item["name"], "arguments": item["arguments"] or "{}"}
        call: dict[str, Any] = {"id": item["call_id"], "type": "function", "function": function}
        signature = _provider_data(item).get("thought_signature")
        if signature and "gemini" in self._model.lower():
            call["extra_content"] = {"google": {"thought_signature": signature}}
        self._assistant()["tool_calls"].append(call)

    def _file_search(self, item: dict[str, Any]) -> None:
        arguments = json.dumps({"queries": item.get("queries", []), "status": item.get("status")})
        function = {"name": "file_search_call", "arguments": arguments}
        self._assistant()["tool_calls"].append({"id": item["id"], "type": "function", "function": function})

    def _output(self, item: dict[str, Any]) -> None:
        if item.get("call_id") is None:
            raise UserError("A tool's output without a call cannot be sent to the Chat Completions API.")
        self._close()
        content = content_parts(item["output"])
        if isinstance(content, list):
            content = [part for part in content if part["type"] == "text"] or self._without_text(item)
        self._done.append({"role": "tool", "tool_call_id": item["call_id"], "content": content})

    def _without_text(self, item: dict[str, Any]) -> str:
        said = f"The output of call {item['call_id']!r} holds no text, and the Chat Completions API takes nothing else"
        if self._strict:
            raise UserError(f"{said}; return text from the tool, or use a model of the Responses API.")
        _log.warning("%s: the model is told %r instead.", said, _NO_TEXT)
        return _NO_TEXT

    def _reasoning(self, item: dict[str, Any]) -> None:
        self._thoughts = {}
        origin = _provider_data(item)
        if origin.get(REASONING_FIELD) == "reasoning" and origin.get("model") == self._model:
            self._remember("reasoning", item.get("content"))
        by = origin.get("model")
        others = set(origin) - {"thinking_blocks"}
        ours = "deepseek" in by.lower() if isinstance(by, str) and by else not others
        if ours and "deepseek" in self._model.lower():  # the model whose API wants its thoughts back
            self._remember("reasoning_content", item.get("summary"))

    def _remember(self, name: str, parts: list[dict[str, Any]] | None) -> None:
        texts = [part["text"] for part in parts or [] if part.get("text")]
        if texts:
            self._thoughts[name] = "\n".join(texts)


def content_parts(content: Any) -> str | list[dict[str, Any]]:
    """A message's or output's content in the form of the Chat Completions API.

    Raises:
        UserError: A part has no form there.
    """
    if isinstance(content, str):
        return content
    return [_part(part) for part in cast("list[dict[str, Any]]", content)]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    kind = part.get("type", "")
    convert = _PARTS.get(kind)
    converted = convert(part) if convert is not None else None
    if converted is None:
        raise UserError(f"The Chat Completions API has no place for this part of a message: {part!r:.300}.")
    breakpoint_ = part.get("prompt_cache_breakpoint")
    return converted if breakpoint_ is None else {**converted, "prompt_cache_breakpoint": breakpoint_}


def _text(part: dict[str, Any]) -> dict[str, Any] | None:
    return {"type": "text", "text": part["text"]} if isinstance(part.get("text"), str) else None


def _image(part: dict[str, Any]) -> dict[str, Any] | None:
    given = part.get("image_url")
    image = cast("dict[str, Any]", given) if isinstance(given, dict) else {"url": given, "detail": part.get("detail")}
    if not image.get("url"):
        return None  # an uploaded file's id: only the Responses API takes one
    detail = image.get("detail") or "auto"
    url = {"url": image["url"], "detail": "high" if detail == "original" else detail}
    return {"type": "image_url", "image_url": url}


def _video(part: dict[str, Any]) -> dict[str, Any] | None:
    url = cast("dict[str, Any]", part.get("video_url") or {}).get("url")
    return {"type": "video_url", "video_url": {"url": url}} if url else None


def _audio(part: dict[str, Any]) -> dict[str, Any] | None:
    audio = cast("dict[str, Any]", part.get("input_audio") or {})
    if not audio.get("data") or not audio.get("format"):
        return None
    return {"type": "input_audio", "input_audio": {"data": audio["data"], "format": audio["format"]}}


def _file(part: dict[str, Any]) -> dict[str, Any] | None:
    source = next((name for name in ("file_data", "file_id") if part.get(name)), None)
    if source is None:
        return None  # an address: only the Responses API fetches it
    named = {"filename": part["filename"]} if part.get("filename") else {}
    return {"type": "file", "file": {source: part[source], **named}}


_PARTS: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "text": _text,
    "input_text": _text,
    "image_url": _image,
    "input_image": _image,
    "video_url": _video,
    "input_audio": _audio,
    "input_file": _file,
}


def _provider_data(item: dict[str, Any]) -> dict[str, Any]:
    data = item.get("provider_data")
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}
