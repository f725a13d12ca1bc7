"""A model server on this machine that answers what GPT-4o once answered, and checks what it is asked.

It speaks the part of OpenAI's Responses API that an agent needs (`POST /v1/responses`, not streamed) and tells by the
input's content which conversation a request belongs to. `GET /conversations/{id}` says how the inputs so far compare
with the recording.

    python -m examples.airline.recorded_model --data DIR --port 0
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import threading
import time
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, cast
from urllib.parse import unquote

from .conversations import Conversation, Step, load
from .recording import Comparison, Place, UnanswerableError, locate, read_input
from .store import DATA_DIR

LARGEST_BODY_BYTES = 32 * 1024 * 1024
CHARACTERS_PER_TOKEN = 4  # OpenAI's rule of thumb for English; the usage reported is an estimate, not a count
STOP_POLL_SECONDS = 0.05  # how long the end of a `with` block may wait for the server to notice it

logger = logging.getLogger(__name__)


class RecordedModel:
    """The server; `with RecordedModel(load(folder)) as url:` serves at `url` from a thread until the block ends.

    Clients take `url + "/v1"` as their base URL.
    """

    def __init__(self, conversations: Sequence[Conversation], *, port: int = 0) -> None:
        self.conversations = tuple(conversations)
        self.comparisons = {each.id: Comparison(each) for each in conversations}
        self._server = _Server(("127.0.0.1", port), _Handler, self)
        self._thread = threading.Thread(target=self.serve_forever, name="recorded-model", daemon=True)

    @property
    def url(self) -> str:
        """Where it serves, without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> str:
        self._thread.start()
        return self.url

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def serve_forever(self) -> None:
        """Serve from this thread until the process is killed."""
        self._server.serve_forever(poll_interval=STOP_POLL_SECONDS)

    def respond(self, body: Any) -> dict[str, Any]:
        """The recorded answer to a request of the Responses API.

        Raises:
            UnanswerableError: The request is malformed, or no recording answers it.
        """
        if not isinstance(body, dict):
            raise UnanswerableError("invalid_body", "The body is no JSON object.")
        request = cast("dict[str, Any]", body)
        if request.get("stream"):
            raise UnanswerableError("unsupported", "This server does not stream. Ask without `stream`.")
        entries = read_input(request.get("input"))
        place = locate(entries, self.conversations)
        self.comparisons[place.conversation.id].add(entries, place.before)
        return _response(place, request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # connections of many runs at once wait here instead of being refused

    def __init__(self, address: tuple[str, int], handler: type[_Handler], model: RecordedModel) -> None:
        super().__init__(address, handler)
        self.model = model

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed in the middle of its request is no news; anything else is told as ever."""
        if isinstance(sys.exception(), ConnectionError):
            logger.debug("a client went away: %s", sys.exception())
        else:
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open
    wbufsize = -1  # head and body in one write, without which each answer waits for a delayed acknowledgement
    timeout = 120  # seconds that an idle connection is kept

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST_BODY_BYTES:
            self.close_connection = True  # the body is left unread
            self._refuse(
                HTTPStatus.BAD_REQUEST, "invalid_body", f"A body of at most {LARGEST_BODY_BYTES} bytes is needed."
            )
            return
        body = self.rfile.read(int(length))
        if self.path.rstrip("/") != "/v1/responses":
            self._refuse(HTTPStatus.NOT_FOUND, "not_found", f"There is no {self.path!r}. Post to '/v1/responses'.")
            return
        try:
            self._answer(HTTPStatus.OK, self._model.respond(json.loads(body)))
        except UnanswerableError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, error.code, str(error))
        except (ValueError, RecursionError) as error:  # what JSON raises; the second on very deep nesting
            self._refuse(HTTPStatus.BAD_REQUEST, "invalid_body", f"The body is no JSON: {error}")

    def do_GET(self) -> None:
        conversation_id = unquote(self.path.removeprefix("/conversations/"))
        comparison = self._model.comparisons.get(conversation_id)
        if comparison is None:
            self._refuse(HTTPStatus.NOT_FOUND, "not_found", f"There is no recorded conversation {conversation_id!r}.")
        else:
            self._answer(HTTPStatus.OK, {"id": conversation_id, **comparison.report()})

    @property
    def _model(self) -> RecordedModel:
        return cast("_Server", self.server).model

    def _refuse(self, status: HTTPStatus, code: str, message: str) -> None:
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        self._answer(status, {"error": error})

    def _answer(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


def _response(place: Place, request: dict[str, Any]) -> dict[str, Any]:
    # Ids follow from the place alone, so that a repeated request gets the same answer.
    name = f"{place.conversation.id}_{len(place.before)}"
    output = _output(place.answer, name)
    return {
        "id": f"resp_{name}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": request.get("instructions"),
        "metadata": {},
        "model": str(request.get("model", "gpt-4o")),
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": _usage([request.get("instructions") or "", request["input"]], output),
    }


def _output(answer: Step, name: str) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    if answer.text is not None:
        content: dict[str, Any] = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
        message = {"type": "message", "id": f"msg_{name}", "role": "assistant", "status": "completed"}
        output.append({**message, "content": [content]})
    for index, call in enumerate(answer.calls):
        item = {"type": "function_call", "id": f"fc_{name}_{index}", "status": "completed"}
        output.append({**item, "call_id": call.call_id, "name": call.name, "arguments": call.arguments})
    return output


def _usage(sent: Any, output: Any) -> dict[str, Any]:
    input_tokens, output_tokens = _estimated_tokens(sent), _estimated_tokens(output)
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input_tokens + output_tokens,
    }


def _estimated_tokens(content: Any) -> int:
    return math.ceil(len(json.dumps(content)) / CHARACTERS_PER_TOKEN)


def main() -> None:
    """Serve a folder's conversations; the first line printed is the URL."""
    parser = argparse.ArgumentParser(description="Answers what a model once answered, over the Responses API.")
    parser.add_argument("--data", type=Path, default=DATA_DIR, help="folder with conversations.jsonl")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()
    model = RecordedModel(load(options.data), port=options.port)
    print(model.url, flush=True)
    model.serve_forever()


if __name__ == "__main__":
    main()
