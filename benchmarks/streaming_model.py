"""A model on loopback that streams: so many words, one after a while after the other, as its name says."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from typing import Any

from benchmarks.child import serve_commands
from perdure.model import ModelResponse
from perdure.testing.scripted_stream import stream_of
from perdure.usage import Usage

_MODEL = re.compile(rb'"model": ?"stream-(\d+)-(\d+)"')
_LENGTH = re.compile(rb"content-length: ?(\d+)", re.IGNORECASE)


def name(words: int, milliseconds: int) -> str:
    """The model that says so many words, each so many milliseconds after the one before."""
    return f"stream-{words}-{milliseconds}"


def _answer(words: int) -> ModelResponse:
    text = " ".join(["word"] * words)
    content: list[dict[str, Any]] = [{"type": "output_text", "text": text, "annotations": []}]
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
    return ModelResponse([message], Usage.of_request(100, words), "resp_1")


async def _events(words: int, seconds: float) -> AsyncGenerator[bytes]:
    for event in stream_of(_answer(words)):
        if event.type == "response.output_text.delta" and seconds:
            await asyncio.sleep(seconds)
        yield f"data: {event.model_dump_json(exclude_unset=True)}\n\n".encode()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        asked = _MODEL.search(body)
        words, seconds = (int(asked[1]), int(asked[2]) / 1000) if asked else (1, 0.0)
        kind = "text/event-stream" if b'"stream":' in body else "application/json"
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n".encode())
        if kind == "text/event-stream":
            async for event in _events(words, seconds):
                writer.write(event)
                await writer.drain()
        else:
            await asyncio.sleep(words * seconds)
            *_, last = stream_of(_answer(words))
            writer.write(json.dumps(last.response.model_dump(mode="json", exclude_unset=True)).encode())
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client has gone
    finally:
        writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await serve_commands({"url": f"http://127.0.0.1:{port}/v1"})
    server.close()


if __name__ == "__main__":
    asyncio.run(_main())
