"""What a turn costs that is remembered in a session, as the session grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.stage import Stage
from benchmarks.tables import number, table

_TURNS = (10, 1000)
_ROUNDS = 20


async def measure(stage: Stage, turns: Sequence[int] = _TURNS, rounds: int = _ROUNDS) -> dict[str, Any]:
    """Runs of one turn with a `SQLiteSession` that holds so many turns, and with the same turns as input."""
    model, program = await stage.child("streaming_model"), await stage.child("sessions_program")
    found = await program.do(url=model.hello["url"], turns=list(turns), rounds=rounds)
    return {"rounds": rounds, **found}


def sessions_table(found: dict[str, Any]) -> str:
    """What each run takes, and what its history has."""
    sides: dict[str, Any] = found["sides"]
    floor = next(iter(sides.values()))["ms"]
    rows = [
        [side, number(each["ms"]), f"{each['ms'] / floor:.2f}", str(each["events"]), number(each["bytes"])]
        for side, each in sides.items()
    ]
    title = f"A run of one turn more, {found['rounds']} rounds"
    return table(title, ["after", "ms, p50", "/ first", "history events", "history bytes"], rows)
