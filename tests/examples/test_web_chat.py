"""The web chat, driven as a browser would: its back end may die at any time, and knows only the thread's name."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0


def free_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return taken.getsockname()[1]


def started(*command: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def worker() -> Iterator[None]:
    process = started("perdure.cli", "worker", "examples.web_chat.agent")
    assert process.stderr is not None
    while "ready" not in (line := process.stderr.readline()):
        assert line, "the worker ended"
    yield
    process.kill()
    process.communicate()


class BackEnd:
    """One process of the back end, and a browser's view of it."""

    def __init__(self) -> None:
        port = free_port()
        self.process = started("examples.web_chat", "--no-worker", "--port", str(port))
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS)
        while True:
            with contextlib.suppress(httpx.ConnectError):
                assert self.client.get("/").status_code == 200
                return
            assert self.process.poll() is None

    def say(self, thread: str, text: str, message_id: str) -> Any:
        answer = self.client.post(f"/threads/{thread}/messages", json={"id": message_id, "text": text})
        return answer.status_code, answer.json()

    def listen(self, thread: str, after: str = "", *, until: int) -> list[tuple[str, str, Any]]:
        """So many events after an offset: each its offset, kind and data."""
        found: list[tuple[str, str, Any]] = []
        headers = {"last-event-id": after} if after else {}
        with self.client.stream("GET", f"/threads/{thread}/events", headers=headers) as stream:
            fields: dict[str, str] = {}
            for line in stream.iter_lines():
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields:
                    found.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
                    fields = {}
                    if len(found) == until:
                        break
        return found

    def kill(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def back_ends() -> Iterator[list[BackEnd]]:
    running: list[BackEnd] = []
    yield running
    for each in running:
        each.kill()


def text_of(event: tuple[str, str, Any]) -> str:
    return event[2]["item"]["content"][0]["text"]


@pytest.mark.usefixtures("worker")
def test_a_browser_chats_decides_and_comes_back_while_back_ends_die(back_ends: list[BackEnd]) -> None:
    thread = f"web-{uuid.uuid4().hex[:8]}"
    back_ends.append(first := BackEnd())
    assert first.say(thread, "Hello", "m1") == (200, {"sequence": 1})
    [greeting] = first.listen(thread, until=1)
    assert text_of(greeting) == "Hello! Which order is it about?"
    assert first.say(thread, "Refund order 7, please", "m2") == (200, {"sequence": 2})
    call, approval = sorted(first.listen(thread, greeting[0], until=2), key=lambda each: each[1], reverse=True)
    assert (call[2]["item"]["name"], approval[2]["tool"]) == ("refund", "refund")
    first.kill()

    back_ends.append(second := BackEnd())
    assert second.say(thread, "Refund order 7, please", "m2") == (200, {"sequence": 2})  # sent again: said once
    decided = second.client.post(f"/threads/{thread}/approvals/{approval[2]['call_id']}", json={"approve": True})
    assert decided.json() == {"said": "Call 2.0 is approved."}
    output, answer = second.listen(thread, call[0], until=2)
    assert (output[2]["item"]["output"], text_of(answer)) == (
        "order 7 is refunded",
        "Order 7 is refunded. Anything else?",
    )
    said = second.client.get(f"/threads/{thread}").json()
    assert [item.get("role") or item["type"] for item in said["items"]] == [
        "user", "assistant", "user", "function_call", "function_call_output", "assistant",
    ]  # fmt: skip
    assert said["after"] == answer[0]
    late = second.client.post(f"/threads/{thread}/approvals/{approval[2]['call_id']}", json={"approve": False})
    assert (late.status_code, "was already approved" in late.json()["error"]) == (409, True)


@pytest.mark.usefixtures("worker")
def test_a_thread_that_nobody_has_spoken_in_is_empty(back_ends: list[BackEnd]) -> None:
    back_ends.append(end := BackEnd())
    assert end.client.get("/threads/nobody").json() == {"items": [], "after": None}
    assert end.client.get("/threads/nobody/events").status_code == 409
