"""A provider on loopback: answers each request with the next of its replies, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

CLOSE = "close the connection without an answer"
CUT = "close the connection in the middle of the body"
RESET = "reset the connection in the middle of the body"
STALL = "send nothing"
STALL_INSIDE = "send the beginning of the body, and no more"
KEY = "sk-loopback-0123456789abcdef"


@dataclass
class Received:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


def completed(output: list[Any], **more: Any) -> dict[str, Any]:
    """An answer of the Responses API."""
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    details = {"input_tokens_details": {"cached_tokens": 4}, "output_tokens_details": {"reasoning_tokens": 2}}
    fixed = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed"}
    choice = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    return {**fixed, **choice, "output": output, "usage": {**usage, **details}, **more}


def text_item(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}


class Loopback:
    def __init__(self) -> None:
        self.replies: list[bytes | str] = []
        self.received: list[Received] = []
        self.given_up = asyncio.Event()
        self._beginnings: list[bytes] = []  # of replies that stall

    async def __aenter__(self) -> Loopback:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def reply(self, body: Any, status: int = 200, **headers: str) -> None:
        """Adds a reply; a body that is not bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"content-type": "application/json", "x-request-id": "req_9", "content-length": str(len(content))}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        self.replies.append(f"HTTP/1.1 {status} Said\r\nconnection: close\r\n{lines}\r\n".encode() + content)

    def stream_and_stall(self, beginning: bytes) -> None:
        """Adds a streamed reply that begins so, and never ends."""
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        self._beginnings.append(head + beginning)
        self.replies.append(STALL)

    def client(self, *, key: str = KEY) -> AsyncOpenAI:
        """A client of this server; it is patient, unless one of the replies so far would never come."""
        stalls = any(reply in (STALL, STALL_INSIDE) for reply in self.replies)
        http = DefaultAsyncHttpxClient(verify=False)
        timeout = Timeout(1.0 if stalls else 30.0)
        return AsyncOpenAI(api_key=key, base_url=self.url, timeout=timeout, http_client=http)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        target = urlsplit(first.split(" ")[1])
        self.received.append(Received(target.path, dict(parse_qsl(target.query)), headers, json.loads(body or b"null")))
        reply = self.replies.pop(0)
        if reply in (CUT, RESET, STALL_INSIDE):
            writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"id":')
            await writer.drain()
        if reply == STALL and self._beginnings:
            writer.write(self._beginnings.pop(0))
            await writer.drain()
        if reply in (STALL, STALL_INSIDE):
            await reader.read()  # until the client gives up
            self.given_up.set()
        elif reply == RESET:
            linger = struct.pack("ii", 1, 0)  # for no time: what is unsent is dropped, and RST sent instead of FIN
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        elif reply == CUT:
            writer.transport.abort()
        elif isinstance(reply, bytes):
            writer.write(reply)
            await writer.drain()
        writer.close()
