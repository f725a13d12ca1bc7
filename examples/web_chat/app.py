"""The web back end: it keeps nothing, and needs nothing of a conversation but its name.

Any number of processes may run it: a message goes to the thread, whoever takes it; what is said in the thread is told
to every browser that listens, from where it stopped listening. A process that dies loses nobody's words.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from perdure import RunItemStreamEvent, Runner, RunNotFound, Thread, UserError

AGENT = "Web support"
PAGE = Path(__file__).with_name("page.html")


async def page(request: Request) -> Response:
    return FileResponse(PAGE)


async def say(request: Request) -> Response:
    """Takes a message, once for each id that the browser gave it, and does not wait for the answer."""
    given = await request.json()
    name = request.path_params["thread"]
    run = await Runner.start(AGENT, given["text"], thread=name, message_id=given["id"])
    return JSONResponse({"sequence": run.sequence})


async def history(request: Request) -> Response:
    """What was said so far, and the offset after which events tell what comes."""
    try:
        thread = await Runner.thread(request.path_params["thread"])
    except RunNotFound:
        return JSONResponse({"items": [], "after": None})
    said, after = await thread.transcript(), None
    left = sum(entry.kind != "input" for entry in said)
    if left:
        async for event in thread.events():
            left -= isinstance(event.event, RunItemStreamEvent)
            after = event.offset
            if not left:
                break
    return JSONResponse({"items": [entry.item for entry in said], "after": after})


async def decide(request: Request) -> Response:
    """Approves or rejects a call that waits."""
    given = await request.json()
    thread = await Runner.thread(request.path_params["thread"])
    call_id = request.path_params["call"]
    if given["approve"]:
        receipt = await thread.approve(call_id, by="web")
    else:
        receipt = await thread.reject(call_id, by="web", reason="The customer does not want that.")
    return JSONResponse({"said": receipt.explanation})


async def events(request: Request) -> Response:
    """What is said in the thread, as server-sent events; a browser that comes back names the last one it has."""
    thread = await Runner.thread(request.path_params["thread"])
    after = request.headers.get("last-event-id") or request.query_params.get("after")
    return StreamingResponse(_told(thread, after), media_type="text/event-stream")


async def _told(thread: Thread, after: str | None) -> AsyncIterator[str]:
    """Both what is said and what waits for a decision, as they come."""
    coming: asyncio.Queue[str] = asyncio.Queue()

    async def items() -> None:
        async for event in thread.events(after=after):
            if isinstance(event.event, RunItemStreamEvent):
                data = json.dumps({"name": event.event.name, "item": event.event.item.data})
                coming.put_nowait(f"id: {event.offset}\nevent: item\ndata: {data}\n\n")

    async def approvals() -> None:
        async for waiting in thread.watch_approvals():
            coming.put_nowait(f"event: approval\ndata: {waiting.model_dump_json()}\n\n")

    watching = [asyncio.create_task(items()), asyncio.create_task(approvals())]
    try:
        yield ": listening\n\n"
        while True:
            yield await coming.get()
    finally:
        for task in watching:
            task.cancel()


async def refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=409)


_HANDLERS: dict[Any, Any] = {UserError: refused, RunNotFound: refused}

app = Starlette(
    routes=[
        Route("/", page),
        Route("/threads/{thread}", history),
        Route("/threads/{thread}/messages", say, methods=["POST"]),
        Route("/threads/{thread}/events", events),
        Route("/threads/{thread}/approvals/{call}", decide, methods=["POST"]),
    ],
    exception_handlers=_HANDLERS,
)
