"""A program whose runs remember: a process of the benchmark, which measures what they cost it."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from openai import AsyncOpenAI
from temporalio.client import Client

from benchmarks.child import serve_commands
from benchmarks.streaming_model import name
from perdure import Agent, OpenAIResponsesModel, Runner, SessionSettings, SQLiteSession

_WORDS = 20


class _Side(NamedTuple):
    given: list[Any]
    session: SQLiteSession | None = None


async def measure(command: dict[str, Any]) -> dict[str, Any]:
    """Runs of one turn, in rounds: after so many turns that a session remembers, or that are given as input."""
    server = await Client.connect(os.environ["BENCH_TEMPORAL"])
    client = AsyncOpenAI(base_url=command["url"], api_key="not-needed", max_retries=0)
    agent = Agent[Any](name="Remembering", model=OpenAIResponsesModel(name(_WORDS, 0), client))
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        sides: dict[str, _Side] = {}
        for turns in command["turns"]:
            said = _said(turns)
            sides[f"{turns} turns, given as input"] = _Side(said)
            sides[f"{turns} turns, in a session"] = _Side([], await _filled(Path(folder), said))
        last = command["turns"][-1]
        sides[f"{last} turns, of which 20 items are read"] = _Side([], await _filled(Path(folder), _said(last), 20))
        for side in sides.values():
            await _run(agent, side)
        found: dict[str, list[tuple[float, str]]] = {after: [] for after in sides}
        for _ in range(command["rounds"]):
            for after, side in sides.items():
                found[after].append(await _run(agent, side))
    return {"sides": {side: await _figures(server, each) for side, each in found.items()}}


def _said(turns: int) -> list[Any]:
    said: list[Any] = []
    for turn in range(turns):
        text: dict[str, Any] = {"type": "output_text", "text": " ".join(["word"] * _WORDS), "annotations": []}
        said.append({"role": "user", "content": f"Question {turn}"})
        said.append({"type": "message", "id": f"msg_{turn}", "role": "assistant", "status": "completed"})
        said[-1]["content"] = [text]
    return said


async def _filled(folder: Path, said: list[Any], limit: int | None = None) -> SQLiteSession:
    session_id = uuid.uuid4().hex
    session = SQLiteSession(session_id, folder / f"{session_id}.db", session_settings=SessionSettings(limit))
    await session.add_items(said)
    return session


async def _run(agent: Agent[Any], side: _Side) -> tuple[float, str]:
    began = time.perf_counter()
    run_id = f"bench-{uuid.uuid4().hex[:12]}"
    given = [*side.given, {"role": "user", "content": "go"}] if side.given else "go"
    await Runner.run(agent, given, session=side.session, run_id=run_id)
    return time.perf_counter() - began, run_id


async def _figures(server: Client, runs: list[tuple[float, str]]) -> dict[str, float]:
    described = await server.get_workflow_handle(runs[-1][1]).describe()
    info = described.raw_description.workflow_execution_info
    milliseconds = statistics.median(1000 * seconds for seconds, _ in runs)
    return {"ms": milliseconds, "events": info.history_length, "bytes": info.history_size_bytes}


if __name__ == "__main__":
    asyncio.run(serve_commands(run=measure))
