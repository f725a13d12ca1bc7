"""The places that people run agents from: a web server's loop, a notebook's cells."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import urllib.request
from collections.abc import Coroutine, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from perdure import Agent, Run, Runner, function_tool
from perdure.testing import ScriptedModel, tool_call
from tests.agents import refund_call, scripted


async def greet(request: Request) -> PlainTextResponse:
    """An agent for each request: same name and definition, another closure."""
    who = request.path_params["who"]

    @function_tool
    async def name() -> str:
        """Say who asks."""
        await asyncio.sleep(0.05)
        return who

    agent = Agent(name="Greeter", model=ScriptedModel([tool_call("name", {}), f"hello {who}"]), tools=[name])
    result = await Runner.run(agent, "who am I?")
    said = [item.output for item in result.new_items if item.type == "tool_call_output_item"]
    return PlainTextResponse(f"{said[0]}: {result.final_output}")


@contextlib.contextmanager
def web_server() -> Iterator[str]:
    app = Starlette(routes=[Route("/{who}", greet)])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


def test_each_request_of_a_web_server_is_served_by_its_own_closures() -> None:
    names = [f"guest{number}" for number in range(8)]

    def ask(url: str) -> str:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read().decode()

    with web_server() as url, concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, [f"{url}/{name}" for name in names]))
    assert answers == [f"{name}: hello {name}" for name in names]


@contextlib.contextmanager
def notebook() -> Iterator[Any]:
    """A loop that runs all the time, to which cells are sent one by one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def cell(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    try:
        yield cell
    finally:
        cell(_cancel_the_rest())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel_the_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.wait(rest)


def test_a_run_started_in_one_cell_is_approved_in_the_next_and_awaited_in_the_third() -> None:
    with notebook() as cell:
        run: Run = cell(Runner.start(scripted(refund_call(), "done"), "please"))
        paused = cell(run.result_or_interruptions())
        cell(run.approve(paused.interruptions[0]))
        assert cell(run.result()).final_output == "done"
