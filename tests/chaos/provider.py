"""The model provider of a storm, in a process that nobody kills: `python -m tests.chaos.provider REQUESTS`.

It keeps no state: the plan is in the conversation's last message, how far it is in the items after it; what is before
it must be whole. It refuses (400, which ends the run) a conversation in which a call, an output or a message is
missing, doubled or in the wrong place. Each request leaves a line in the file REQUESTS.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import sys
from pathlib import Path
from typing import Any

from tests.activities.loopback import completed, text_item
from tests.chaos.plans import Plan, plan_in

_LENGTH = re.compile(rb"content-length: ?(\d+)", re.IGNORECASE)


class BrokenConversation(Exception):
    """No provider would answer this."""


def answer(conversation: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """Which request this is, and the items that answer it.

    Raises:
        BrokenConversation: The conversation is not a beginning of what its plans say.
    """
    said = [place for place, item in enumerate(conversation) if item.get("role") == "user"]
    if said[:1] != [0]:
        raise BrokenConversation("the conversation does not begin with a message")
    begun = 0
    for start, end in itertools.pairwise(said):
        plan, done, rest = _progress(conversation[start:end], in_order=False)
        last = [item.get("content", [{}])[0].get("text") for item in rest]
        if plan.begun != begun or done != len(plan.turns) or last != [plan.final_output]:
            raise BrokenConversation(f"{plan.text}, after {begun}: {done} turns, then {rest}")
        begun += len(plan.turns) + 1
    plan, done, rest = _progress(conversation[said[-1] :], in_order=True)
    if rest or plan.begun != begun:
        raise BrokenConversation(f"{plan.text}, after {begun}: {len(rest)} items too many")
    turn = f"{plan.number}/{done + 1}"
    return turn, [call.item for call in plan.turns[done]] if done < len(plan.turns) else [text_item(plan.final_output)]


def outputs_sorted(items: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The kinds and call ids of items, with outputs that follow each other in the order of their ids."""
    groups = [list(group) for _, group in itertools.groupby(items, lambda item: item[0])]
    return [item for group in groups for item in (sorted(group) if group[0][0] == "function_call_output" else group)]


def _progress(errand: list[dict[str, Any]], *, in_order: bool) -> tuple[Plan, int, list[dict[str, Any]]]:
    """The plan of a message and what follows it, how many turns are done, and what comes after them.

    A thread keeps the outputs of a turn that waited in the order in which they were there, as a session has them.
    """
    plan, rest = plan_in(str(errand[0].get("content"))), errand[1:]
    for done, calls in enumerate(plan.turns):
        if not rest:
            return plan, done, rest
        expected = [("function_call", call.model_id) for call in calls]
        expected += [("function_call_output", call.model_id) for call in calls]
        found = [(str(item.get("type")), str(item.get("call_id"))) for item in rest[: len(expected)]]
        if (found if in_order else outputs_sorted(found)) != (expected if in_order else outputs_sorted(expected)):
            raise BrokenConversation(f"{plan.text}, turn {done + 1}: expected {expected}, found {found}")
        rest = rest[len(expected) :]
    return plan, len(plan.turns), rest


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
