"""A provider on loopback: answers each request with the next of its replies, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

CLOSE = "close the connection without an answer"
CUT = "close the connection in the middle of the body"
STALL = "send nothing"
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

    def client(self, *, read_timeout_seconds: float = 10.0, key: str = KEY) -> AsyncOpenAI:
        http = DefaultAsyncHttpxClient(verify=False)
        timeout = Timeout(read_timeout_seconds, connect=5.0)
        return AsyncOpenAI(api_key=key, base_url=self.url, timeout=timeout, http_client=http)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        target = urlsplit(first.split(" ")[1])
        self.received.append(Received(target.path, dict(parse_qsl(target.query)), headers, json.loads(body or b"null")))
        reply = self.replies.pop(0)
        if reply == STALL:
            await reader.read()  # until the client gives up
        elif reply == CUT:
            writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"id":')
            await writer.drain()
            writer.transport.abort()
        elif isinstance(reply, bytes):
            writer.write(reply)
            await writer.drain()
        writer.close()
