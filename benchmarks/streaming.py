"""How long until a watcher sees the first word, near and far, and what watching costs runs and their histories."""

from __future__ import annotations

from typing import Any

from benchmarks.stage import Stage
from benchmarks.streaming_program import SHORT
from benchmarks.tables import number, table

_ROUNDS = 30
_RUNS = 40
_LONG = (500, 20)  # words, and milliseconds before each: 10 s at 50 words a second


async def measure(
    stage: Stage, rounds: int = _ROUNDS, long: tuple[int, int] = _LONG, runs: int = _RUNS
) -> dict[str, Any]:
    """Milliseconds to the first word beside the bare client, runs per second, and histories, watched and not."""
    model, worker = await stage.child("streaming_model"), await stage.child("streaming_worker")
    program = await stage.child("streaming_program")
    url = model.hello["url"]
    served = await worker.do(url=url, agents=[list(SHORT), list(long)])
    found = await program.do(url=url, rounds=rounds, long=list(long), runs=runs, identity=served["identity"])
    return {"rounds": rounds, "runs": runs, "words": long[0], "seconds": long[0] * long[1] / 1000, **found}


def streaming_table(found: dict[str, Any]) -> str:
    """All measurements."""
    names = {
        "bare": "openai client",
        "watched": "Runner.run_streamed, in process",
        "across": "Runner.run_streamed, by name",
        "watched more": "in process more, round by round",
        "across more": "by name more, round by round",
    }
    took = found["first_word_ms"]
    first = [[text, *(number(took[side][of]) for of in ("p50", "max"))] for side, text in names.items()]
    rates = [[side, number(rate)] for side, rate in found["runs_per_second"].items()]
    rows = [[who, str(each["events"]), number(each["bytes"])] for who, each in found["histories"].items()]
    words = f"A run of {found['words']} words in {found['seconds']:g} s, by who serves and who watches"
    return (
        table(f"To the first word, {found['rounds']} rounds", ["ms", "p50", "max"], first)
        + table(f"Runs of 20 words, {found['runs']}, 8 at once", ["", "runs/s"], rates)
        + table(words, ["", "history events", "history bytes"], rows)
    )
