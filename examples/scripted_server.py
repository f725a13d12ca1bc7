"""Stands in for the model where no key is set, so that the examples run as they stand.

An OpenAI-compatible server on this machine, with scripted answers. It counts nothing: what it answers depends on the
request alone, so an example that is killed and started again goes on where it was, as with a real model.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Thread
from typing import Any, TypeAlias

from perdure import ModelSettings, ModelTracing, UserError
from perdure.testing import ScriptedModel

Answer: TypeAlias = str | dict[str, Any] | Sequence[str | dict[str, Any]]
Script: TypeAlias = "Mapping[str, Sequence[Answer] | Script]"

_BETWEEN_EVENTS_SECONDS = 0.02
_NOTHING_KEPT: dict[str, Any] = {"previous_response_id": None, "conversation_id": None, "prompt": None}


def answer_without_key(script: Script) -> None:
    """Starts the server and lets this process use it; does nothing if the environment names a model's key or address.

    Args:
        script: The model's answers in order, under a text that stands in the request: in the instructions, in what was
            said, anywhere but in the tools. The first such text counts; under it may be another script.
    """
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        return
    server = _Server(script)
    Thread(target=server.serve_forever, daemon=True).start()
    os.environ["OPENAI_BASE_URL"] = f"http://127.0.0.1:{server.server_address[1]}/v1"


class _Server(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps the connection

    def do_POST(self) -> None:
        assert isinstance(self.server, _Server)
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            if request.get("stream"):
                self._stream(_events(self.server.script, request))
                return
            status, answer = 200, _response(self.server.script, request)
        except UserError as error:
            status, answer = 400, {"error": {"message": str(error)}}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, events: list[Any]) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event in events:
            self.wfile.write(f"data: {event.model_dump_json(exclude_unset=True)}\n\n".encode())
            self.wfile.flush()
            time.sleep(_BETWEEN_EVENTS_SECONDS)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the example's own lines are what one wants to see."""


def _asked(script: Script, request: dict[str, Any]) -> tuple[ScriptedModel, tuple[Any, ...]]:
    """The model that answers, and what it is asked."""
    said = json.dumps({**request, "tools": None}, ensure_ascii=False)
    asked: tuple[Any, ...] = (
        request.get("instructions"),
        request["input"],
        ModelSettings(),
        [],
        None,
        [],
        ModelTracing.DISABLED,
    )
    return ScriptedModel(_answers(script, said)), asked


def _events(script: Script, request: dict[str, Any]) -> list[Any]:
    model, asked = _asked(script, request)

    async def collect() -> list[Any]:
        return [event async for event in model.stream_response(*asked, **_NOTHING_KEPT)]

    return asyncio.run(collect())


def _response(script: Script, request: dict[str, Any]) -> dict[str, Any]:
    model, asked = _asked(script, request)
    answer = asyncio.run(model.get_response(*asked, **_NOTHING_KEPT))
    usage = {"input_tokens": answer.usage.input_tokens, "output_tokens": answer.usage.output_tokens}
    named = {"id": answer.response_id, "object": "response", "model": request.get("model"), "status": "completed"}
    return {**named, "output": answer.output, "usage": usage}


def _answers(script: Script, said: str) -> Sequence[Answer]:
    for text, answers in script.items():
        if text in said:
            return _answers(answers, said) if isinstance(answers, Mapping) else answers
    raise UserError(f"None of {', '.join(map(repr, script))} stands in the request {said}")
