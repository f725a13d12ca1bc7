"""The model on loopback: answers each request with the next answer of its script, and keeps what it was sent.

A script is found by the side (the first part of the path) and the model's name, so that many scenarios can run at once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from tests.conformance.answers import Failure, Later, chat_completion, items_of, response
from tests.conformance.streams import streamed

SIDES_OWN = ("x-stainless", "x-client")  # headers by which a client tells about itself


@dataclass
class Received:
    """A request, as far as it may matter to a model provider."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]


@dataclass
class Script:
    """The answers of one model, and the requests that it got."""

    lane: str
    answers: list[Any] = field(default_factory=list[Any])
    received: list[Received] = field(default_factory=list[Received])
    abandoned: int = 0
    on_request: Callable[[int], None] = lambda turn: None
    may_be_repeats: dict[int, str] = field(default_factory=dict[int, str])

    def turn_of(self, request: Received) -> int:
        """Which request of the script this is: the next, or one that a killed process had sent before."""
        text = json.dumps(request.body, sort_keys=True)
        for turn in sorted(self.may_be_repeats, reverse=True):
            if self.may_be_repeats[turn] == text:
                del self.may_be_repeats[turn]
                return turn
        self.received.append(request)
        return len(self.received)

    def expect_repeats(self) -> None:
        """The process that asked was killed: it may ask the same again."""
        bodies = [json.dumps(request.body, sort_keys=True) for request in self.received]
        self.may_be_repeats = dict(enumerate(bodies, 1))


class ModelServer:
    """Speaks `/v1/responses`, `/v1/chat/completions` and `/v1/conversations/ID/items` below a path for each side."""

    def __init__(self) -> None:
        self.scripts: dict[tuple[str, str], Script] = {}
        self.conversations: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.listed: set[str] = set()  # sides that asked for a conversation's items
        self.on_any_request: Callable[[Script, int], None] = lambda script, turn: None

    async def __aenter__(self) -> ModelServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 24)
        self._origin = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def url(self, side: str) -> str:
        return f"{self._origin}/{side}/v1"

    def script(self, side: str, model: str, lane: str) -> Script:
        """The script of a model; made where there is none yet."""
        return self.scripts.setdefault((side, model), Script(lane))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            path, headers, body = await _request(reader)
            side, _, rest = path.lstrip("/").partition("/")
            kept = {name: value for name, value in headers.items() if name.startswith("x-")}
            kept = {name: value for name, value in kept.items() if not name.startswith(SIDES_OWN)}
            await self._answer(side, Received(rest, body, kept), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the process that asked was killed, or does not want the answer any more
        finally:
            writer.close()

    async def _answer(
        self, side: str, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if "conversations/" in request.path:
            return await _write(writer, 200, self._listed(side, request.path))
        script = self.scripts.get((side, str(request.body.get("model"))))
        if script is None:
            return await _write(writer, 404, {"error": {"message": f"no script for {request.body.get('model')!r}"}})
        turn = script.turn_of(request)
        script.on_request(turn)
        self.on_any_request(script, turn)
        if turn > len(script.answers):
            return await _write(writer, 418, {"error": {"message": f"request {turn} of {len(script.answers)}"}})
        answer = script.answers[turn - 1]
        later = answer if isinstance(answer, Later) else Later(answer)
        if later.seconds and await _gone(reader, later.seconds):
            script.abandoned += 1
            return None
        status, said, sent_headers = _made(later, request, script.lane, turn)
        if isinstance(request.body.get("conversation"), str):
            self._keep(side, request.body, said.get("output", []))
        if status == HTTPStatus.OK and request.body.get("stream"):
            return await _write_stream(writer, said)
        return await _write(writer, status, said, sent_headers)

    def _keep(self, side: str, body: dict[str, Any], answer: list[dict[str, Any]]) -> None:
        """Adds a request and its answer to the conversation, as the provider does once the answer is complete."""
        kept = self.conversations.setdefault((side, body["conversation"]), [])
        given = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
        kept += [{"id": f"item_{len(kept) + place}", **item} for place, item in enumerate([*given, *answer])]

    def _listed(self, side: str, path: str) -> dict[str, Any]:
        """A conversation's items, the newest first; all of them, which the API would give by pages."""
        self.listed.add(side)
        name = path.partition("conversations/")[2].partition("/")[0]
        return {"object": "list", "data": self.conversations.get((side, name), [])[::-1], "has_more": False}


def _made(later: Later, request: Received, lane: str, turn: int) -> tuple[int, dict[str, Any], dict[str, str]]:
    if isinstance(later.answer, Failure):
        failure = later.answer
        return failure.status, {"error": {"message": failure.message, "code": "scripted"}}, dict(failure.headers)
    items = items_of(later.answer, lane, turn)
    model = str(request.body["model"])
    if request.path.endswith("/chat/completions"):
        return 200, chat_completion(items, model, lane, turn), {}
    return 200, response(items, model, lane, turn, **dict(later.fields)), {}


async def _request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], dict[str, Any]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return first.split(" ")[1], headers, json.loads(body or b"{}")


async def _gone(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Whether the client closes the connection within this time."""
    try:
        return await asyncio.wait_for(reader.read(1), seconds) == b""
    except TimeoutError:
        return False


async def _write(
    writer: asyncio.StreamWriter, status: int, value: dict[str, Any], headers: dict[str, str] | None = None
) -> None:
    content = json.dumps(value).encode()
    named = {"content-type": "application/json", "content-length": str(len(content)), "connection": "close"}
    named |= {"x-request-id": "req_1", **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    writer.write(f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode() + content)
    await writer.drain()


async def _write_stream(writer: asyncio.StreamWriter, value: dict[str, Any]) -> None:
    named = {"content-type": "text/event-stream", "x-request-id": "req_1", "connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    writer.write(f"HTTP/1.1 200 Said\r\n{lines}\r\n".encode() + streamed(value))
    await writer.drain()
