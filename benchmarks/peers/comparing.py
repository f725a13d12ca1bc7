"""The job with 2 KB results on the floor, on Perdure and on its peers, one run of each length, on one server.

A peer may not get to the end of a long run: then the table says where it died, and of what.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.figures import comparison
from benchmarks.job import LARGE_BYTES, Job
from benchmarks.peers.environments import PeerMissingError, python_of
from benchmarks.sides import Bare, RunDiedError, Sample, Side, by_name_side, floor_side
from benchmarks.stage import Stage
from benchmarks.tables import number, ratios, table

_LENGTHS = (10, 50, 100, 200)
_WARM_UP = Job(3, LARGE_BYTES)


class Peer(NamedTuple):
    """Another library: the program that does the job on it, and what it calls its workflow, queue and model step."""

    program: str
    workflow: str
    queue: str
    model_step: str


PEERS = {
    "temporalio-openai-agents": Peer("openai_agents_plugin", "OpenAIAgents", "openai-agents", "invoke_model_activity"),
    "Pydantic AI": Peer("pydantic_ai_temporal", "PydanticAI", "pydantic-ai", "agent__bench__model_request"),
}


async def measure(stage: Stage, lengths: Sequence[int] = _LENGTHS) -> dict[str, Any]:
    """The same job on all sides, in runs of all lengths; the first run of each side warms up."""
    sides, missing = await _sides(stage)
    for side in sides.values():
        await side.measure(_WARM_UP)
    rows = [row for turns in lengths for row in await _row(sides, Job(turns, LARGE_BYTES))]
    return {"size": LARGE_BYTES, "rows": rows, "missing": missing}


async def _sides(stage: Stage) -> tuple[dict[str, Side], list[str]]:
    sides: dict[str, Side] = {"floor": await floor_side(stage), "by name": await by_name_side(stage)}
    missing: list[str] = []
    for name, peer in PEERS.items():
        try:
            python = await asyncio.to_thread(python_of, peer.program)
        except PeerMissingError as error:
            missing.append(str(error))
            continue
        worker = await stage.child(f"peers.{peer.program}", python)
        sides[name] = Bare(stage.client, worker, peer.workflow, peer.queue, peer.model_step)
    return sides, missing


async def _row(sides: Mapping[str, Side], job: Job) -> list[dict[str, Any]]:
    samples: dict[str, list[Sample]] = {}
    died: list[dict[str, Any]] = []
    for name, side in sides.items():
        try:
            samples[name] = [await side.measure(job)]
        except RunDiedError as error:
            died.append({"turns": job.turns, "side": name, "died": str(error)})
        print(".", end="", file=sys.stderr, flush=True)
    return [{"turns": job.turns, "side": name, **told} for name, told in comparison(samples).items()] + died


def peers_table(found: dict[str, Any]) -> str:
    """All sides, with their ratios to the floor."""
    names = ("history_bytes", "events", "latency_ms_p50", "cpu_ms")
    texts = ("history bytes", "history events", "latency ms, p50", "worker CPU ms")
    compared = ("history_bytes", "latency_ms_p50", "cpu_ms")
    head = ["turns", "", *texts, "bytes / floor", "latency / floor", "CPU / floor"]
    rows = [
        [str(row["turns"]), row["side"], *(number(row[name]) for name in names), *ratios(row, compared)]
        for row in found["rows"]
        if "died" not in row
    ]
    died = [f"{row['side']}, {row['turns']} turns: {row['died']}" for row in found["rows"] if "died" in row]
    title = f"Peers, per turn: one run each, results of {found['size']} bytes"
    return "\n".join([table(title, head, rows), *found["missing"], *died, ""])
