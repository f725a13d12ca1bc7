"""The model provider of a storm, in a process that nobody kills: `python -m tests.chaos.provider REQUESTS`.

It keeps no state: the plan is in the conversation's first message, how far it is in the items. It refuses (400, which
ends the run) a conversation in which a call or an output is missing, doubled or in the wrong place. Each request leaves
a line in the file REQUESTS.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
from pathlib import Path
from typing import Any

from tests.activities.loopback import completed, text_item
from tests.chaos.plans import plan_in

_LENGTH = re.compile(rb"content-length: ?(\d+)", re.IGNORECASE)


class BrokenConversation(Exception):
    """No provider would answer this."""


def answer(conversation: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """Which request this is, and the items that answer it.

    Raises:
        BrokenConversation: The conversation is not a beginning of what its plan says.
    """
    plan = plan_in(str(conversation[0].get("content")) if conversation else "")
    rest = conversation[1:]
    for turn, calls in enumerate(plan.turns, 1):
        if not rest:
            return f"{plan.number}/{turn}", [call.item for call in calls]
        expected = [("function_call", call.model_id) for call in calls]
        expected += [("function_call_output", call.model_id) for call in calls]
        found = [(str(item.get("type")), str(item.get("call_id"))) for item in rest[: len(expected)]]
        if found != expected:
            raise BrokenConversation(f"{plan.text}, turn {turn}: expected {expected}, found {found}")
        rest = rest[len(expected) :]
    if rest:
        raise BrokenConversation(f"{plan.text}: {len(rest)} items too many")
    return f"{plan.number}/{len(plan.turns) + 1}", [text_item(plan.final_output)]


def reply(body: bytes) -> tuple[int, str, dict[str, Any]]:
    try:
        request, items = answer(json.loads(body)["input"])
    except (BrokenConversation, ValueError) as error:
        return 400, f"broken {error}", {"error": {"message": str(error)}}
    return 200, request, completed(items)


async def _main(requests: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                status, line, value = reply(await reader.readexactly(int(length[1]) if length else 0))
                with requests.open("a") as file:
                    file.write(line + "\n")
                await asyncio.sleep(random.uniform(0.05, 0.2))
                content = json.dumps(value).encode()
                headers = f"content-type: application/json\r\ncontent-length: {len(content)}"
                writer.write(f"HTTP/1.1 {status} Said\r\n{headers}\r\n\r\n".encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()  # the worker that asked was killed

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
