"""Takes out of histories what tells about the machine that made them: paths, names of hosts, stack traces."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from temporalio.api.common.v1 import Payload

from perdure.compression import compressed, expanded

_PROCESS_QUEUE = re.compile(r"perdure-process\.[\w.-]+")
_HOST, _PLACE = "host", "/somewhere"
_LEFT_OUT = ("stackTrace", "requestId", "taskId")  # the latter two no replay reads, and nothing shortens them


class Scrubber:
    """Puts neutral names in the place of telling ones, everywhere the same.

    Args:
        host: The machine's name.
        places: Folders of it.
    """

    def __init__(self, host: str, places: list[str]) -> None:
        self._process = re.compile(rf"\d+@{re.escape(host)}\b")
        self._host = re.compile(rf"\b{re.escape(host)}\b")
        self._places = sorted({place for place in places if len(place) > 1}, key=len, reverse=True)
        self._queues: dict[str, str] = {}

    def scrub(self, value: Any) -> Any:
        """A history's JSON without them."""
        return _changed(value, self._text)

    def found(self, value: Any) -> list[str]:
        """Telling names that are left."""
        every = list(texts(value))
        hosts = {found[0] for text in every for found in self._host.finditer(text)}
        return sorted(hosts | {place for place in self._places for text in every if place in text})

    def _text(self, text: str) -> str:
        text = _PROCESS_QUEUE.sub(lambda found: self._queue(found[0]), text)
        text = self._host.sub(_HOST, self._process.sub(f"1@{_HOST}", text))
        for place in self._places:
            text = text.replace(place, _PLACE)
        return text

    def _queue(self, name: str) -> str:
        return self._queues.setdefault(name, f"perdure-process.{_HOST}.1.{len(self._queues) + 1}")


def texts(value: Any) -> Iterator[str]:
    """Every text in a history's JSON, those of its payloads as they are read."""
    if _is_payload(value):
        yield _payload(value).data.decode("utf-8", "replace")
    elif isinstance(value, dict):
        for entry in value.values():
            yield from texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from texts(entry)
    elif isinstance(value, str):
        yield value


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if _is_payload(value):
        return _changed_payload(value, change)
    if isinstance(value, dict):
        return {name: _changed(entry, change) for name, entry in value.items() if name not in _LEFT_OUT}
    if isinstance(value, list):
        return [_changed(entry, change) for entry in value]
    return change(value) if isinstance(value, str) else value


def _changed_payload(value: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    payload = _payload(value)
    try:
        text = payload.data.decode()
    except UnicodeDecodeError:  # hostile bytes of a scenario
        return value
    new = change(_without_traces_in(text))
    if new == text:
        return value
    payload.data = new.encode()
    return MessageToDict(compressed(payload))


def _without_traces_in(text: str) -> str:
    if '"traceback"' not in text:
        return text
    return json.dumps(_without_traces(json.loads(text)), ensure_ascii=False, separators=(",", ":"))


def _without_traces(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: "" if name == "traceback" else _without_traces(entry) for name, entry in value.items()}
    return [_without_traces(entry) for entry in value] if isinstance(value, list) else value


def _is_payload(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("metadata"), dict) and "encoding" in value["metadata"]


def _payload(value: dict[str, Any]) -> Payload:
    return expanded(ParseDict(value, Payload()))
