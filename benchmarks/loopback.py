"""A model on loopback that answers at once, in a process of its own so that its time is nobody's.

It speaks the OpenAI Responses API and keeps no conversation: how far one is, it reads in `previous_response_id` (of a
client that sends only what is new) or counts in the conversation (of one that sends the whole). When it was asked, it
notes by a clock that all processes of the machine share, and tells whoever asks for that.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

from benchmarks.child import serve_commands
from benchmarks.job import Job

_MODEL = re.compile(rb'"model": ?"([^"]+)"')
_PREVIOUS = re.compile(rb'"previous_response_id": ?"resp_(\d+)"')
_OUTPUT = re.compile(rb'"type": ?"function_call_output"')
_LENGTH = re.compile(rb"content-length: ?(\d+)", re.IGNORECASE)
_USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 80},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 120,
}


def answer(body: bytes) -> bytes:
    """The model's answer to a request.

    Raises:
        ValueError: The request names no model that is played here.
    """
    model = _MODEL.search(body)
    if model is None:
        raise ValueError(f"The request names no model: {body[:200]!r}")
    job = Job.of(model[1].decode())
    return json.dumps(_response(job, turn_of(body))).encode()


def turn_of(body: bytes) -> int:
    """Which turn of its run a request is; the first is turn 1."""
    previous = _PREVIOUS.search(body)
    return int(previous[1]) + 1 if previous else len(_OUTPUT.findall(body)) + 1


def _response(job: Job, turn: int) -> dict[str, Any]:
    return {
        "id": f"resp_{turn}",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": job.model,
        "output": [_message(turn) if turn >= job.turns else _call(turn, job.size)],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": _USAGE,
    }


def _call(turn: int, size: int) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{turn}",
        "call_id": f"call_{turn}",
        "name": "sample",
        "arguments": json.dumps({"number": turn, "size": size}),
        "status": "completed",
    }


def _message(turn: int) -> dict[str, Any]:
    text: dict[str, Any] = {"type": "output_text", "text": "Done.", "annotations": [], "logprobs": []}
    return {"type": "message", "id": f"msg_{turn}", "role": "assistant", "status": "completed", "content": [text]}


class Model:
    """The model: when it was asked for which turn, and its answers."""

    def __init__(self) -> None:
        self._asked: list[tuple[int, float]] = []  # the turn, and the seconds of `time.monotonic()`

    async def tell(self, _command: dict[str, Any]) -> dict[str, Any]:
        """When it was asked since the last time."""
        asked, self._asked = self._asked, []
        return {"asked": asked}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the requests of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                self._asked.append((turn_of(body), time.monotonic()))
                content = answer(body)
                headers = f"content-type: application/json\r\nx-request-id: req_1\r\ncontent-length: {len(content)}"
                writer.write(f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n".encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()  # the client has gone, as it does when its worker ends


async def _main() -> None:
    # Longer requests than the stream's limit of 64 KiB are read by `readexactly`, which has none.
    model = Model()
    server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await serve_commands({"url": f"http://127.0.0.1:{port}/v1"}, model.tell)
    server.close()


if __name__ == "__main__":
    asyncio.run(_main())
