"""A program that watches runs, its own and a worker's: a process of the benchmark, which measures what it sees."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from openai import AsyncOpenAI
from temporalio.client import Client

from benchmarks.child import serve_commands
from benchmarks.streaming_model import name
from benchmarks.streaming_worker import agent_of
from perdure import Agent, Runner, RunResultStreaming
from perdure.contracts.watching import watch_id

SHORT = (20, 0)  # words, and milliseconds before each
_AT_ONCE = 8

_Side = Callable[[], Awaitable[float]]


async def measure(command: dict[str, Any]) -> dict[str, Any]:
    """Does as many rounds as it is told, then runs with and without watchers, then a long run for each kind of them."""
    client = AsyncOpenAI(base_url=command["url"], api_key="not-needed", max_retries=0)
    here, there = agent_of(client, *SHORT), name(*SHORT)
    sides: dict[str, _Side] = {
        "bare": lambda: _bare(client),
        "watched": lambda: _first_word(Runner.run_streamed(here, "go")),
        "across": lambda: _first_word(Runner.run_streamed(there, "go")),
    }
    await _each(sides, 1)  # all sides have connected and imported by then
    took = await _each(sides, command["rounds"])
    for side in ("watched", "across"):
        took[f"{side} more"] = [one - bare for one, bare in zip(took[side], took["bare"], strict=True)]
    rates = await _each(
        {
            "in process": lambda: _rate(lambda: _unwatched(here), command["runs"]),
            "in process, watched": lambda: _rate(lambda: _streamed(here), command["runs"]),
            "by name": lambda: _rate(lambda: _unwatched(there), command["runs"]),
            "by name, watched": lambda: _rate(lambda: _streamed(there), command["runs"]),
        },
        3,
    )
    return {
        "first_word_ms": {
            side: {"p50": 1000 * statistics.median(each), "max": 1000 * max(each)} for side, each in took.items()
        },
        "runs_per_second": {side: statistics.median(each) for side, each in rates.items()},
        "histories": await _histories(agent_of(client, *command["long"]), command["identity"]),
    }


async def _histories(here: Agent[Any], worker: str) -> dict[str, dict[str, int]]:
    server = await Client.connect(os.environ["BENCH_TEMPORAL"])
    before = await _history(server, watch_id(worker))
    ids = {
        "in process, nobody": await _unwatched(here),
        "in process, its program": await _streamed(here),
        "by name, nobody": await _unwatched(here.name),
        "by name, another process": await _streamed(here.name),
    }
    found = {who: await _history(server, run_id) for who, run_id in ids.items()}
    after = await _history(server, watch_id(worker))
    found["meanwhile, where the worker is asked"] = {of: after[of] - before[of] for of in after}
    return found


async def _each(sides: dict[str, _Side], rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, take in sides.items():
            found[side].append(await take())
    return found


async def _bare(client: AsyncOpenAI) -> float:
    began = time.perf_counter()
    found = 0.0
    async for event in await client.responses.create(model=name(*SHORT), input="go", stream=True):
        if event.type == "response.output_text.delta" and not found:
            found = time.perf_counter() - began
    return found


async def _first_word(result: RunResultStreaming) -> float:
    began = time.perf_counter()
    found = 0.0
    async for event in result.stream_events():
        is_word = event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
        if is_word and not found:
            found = time.perf_counter() - began
    if not found:
        raise RuntimeError(f"run {result.run_id} was watched, and no word came")
    return found


async def _rate(run: Callable[[], Awaitable[str]], count: int) -> float:
    """Runs per second, so many at once."""
    turnstile = asyncio.Semaphore(_AT_ONCE)

    async def one() -> None:
        async with turnstile:
            await run()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    return count / (time.perf_counter() - began)


async def _unwatched(agent: Agent[Any] | str) -> str:
    return (await Runner.run(agent, "go", run_id=_new_id())).run_id


async def _streamed(agent: Agent[Any] | str) -> str:
    result = Runner.run_streamed(agent, "go", run_id=_new_id())
    async for _ in result.stream_events():
        pass
    return result.run_id


def _new_id() -> str:
    return f"bench-{uuid.uuid4().hex[:12]}"  # of one length, as it stands in the history


async def _history(server: Client, workflow_id: str) -> dict[str, int]:
    described = (await server.get_workflow_handle(workflow_id).describe()).raw_description.workflow_execution_info
    return {"events": described.history_length, "bytes": described.history_size_bytes}


if __name__ == "__main__":
    asyncio.run(serve_commands(run=measure))
