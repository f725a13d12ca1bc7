"""The speed table: every figure of every side, their ratios, and which of the aims were met."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from benchmarks.speed_sides import (
    BY_NAME,
    BY_NAME_LOCAL,
    DBOS,
    FLOOR,
    IN_PROCESS,
    IN_PROCESS_LOCAL,
    PLUGIN,
)
from benchmarks.tables import number, table

_ROWS = {
    "latency_ms_p50": "latency ms per turn, p50",
    "latency_ms_p95": "latency ms per turn, p95",
    "cpu_ms": "worker CPU ms per turn",
    "server_cpu_ms": "server CPU ms per turn",
    "events": "history events per turn",
    "history_bytes": "history bytes per turn",
    "runs_per_second_1_of_10": "runs of 10 turns per second, one at once",
    "runs_per_second_16_of_10": "runs of 10 turns per second, 16 at once",
    "runs_per_second_64_of_10": "runs of 10 turns per second, 64 at once",
    "runs_per_second_64_of_3": "runs of 3 turns per second, 64 at once",
    "mb_per_100": "MB of worker per 100 waiting runs",
    "cold_ms": "cold start to first model call, ms",
    "replay_cpu_ms": "replay, CPU ms",
}
_PAIRS = (
    (BY_NAME, FLOOR),
    (BY_NAME, PLUGIN),
    (BY_NAME, DBOS),
    (BY_NAME_LOCAL, DBOS),
    (IN_PROCESS, DBOS),
    (IN_PROCESS_LOCAL, DBOS),
)
_NO_VALUE = "-"
_WIDTH = 120
_BUSY_PERCENT = 10.0  # less is taken on a machine that does nothing else


class Aim(NamedTuple):
    """What a ratio should be: at most the limit, or of runs per second at least."""

    figure: str
    side: str
    other: str
    limit: float


AIMS = (
    Aim("latency_ms_p50", BY_NAME, FLOOR, 1.1),
    Aim("latency_ms_p50", BY_NAME, PLUGIN, 0.6),
    Aim("cpu_ms", BY_NAME, FLOOR, 1.2),
    Aim("runs_per_second_64_of_10", BY_NAME, PLUGIN, 1.5),
    Aim("cold_ms", BY_NAME, PLUGIN, 0.6),
    Aim("latency_ms_p50", BY_NAME_LOCAL, DBOS, 1.0),
    Aim("latency_ms_p50", IN_PROCESS_LOCAL, DBOS, 1.0),
)

Sides = Mapping[str, Mapping[str, Sequence[float]]]


def ratio(sides: Sides, figure: str, side: str, other: str) -> float | None:
    """How many times the other side's a figure is: the median of the ratios of each round; None where one has none."""
    pairs = list(zip(sides.get(side, {}).get(figure, ()), sides.get(other, {}).get(figure, ()), strict=False))
    return median(one / another for one, another in pairs) if pairs else None


def meets(aim: Aim, found: float) -> bool:
    """Whether a ratio is what it should be."""
    return found >= aim.limit if _more_is_better(aim.figure) else found <= aim.limit


def speed_table(found: dict[str, Any]) -> str:
    """The figures, the aims, all ratios, the machine and the versions."""
    sides: Sides = found["sides"]
    parts = [_figures(found, sides), _legend(found), _aims(sides), _ratios(sides), *_circumstances(found)]
    return "\n".join([*parts, *(f"- {reason}" for reason in found["missing"]), ""])


def _figures(found: dict[str, Any], sides: Sides) -> str:
    title = f"Speed: {found['rounds']} runs of {found['turns']} turns on each side, trivial results"
    rows = [[text, *(_value(sides[side].get(name)) for side in sides)] for name, text in _ROWS.items()]
    return table(title, ["", *sides], rows)


def _value(values: Sequence[float] | None) -> str:
    return number(median(values)) if values else _NO_VALUE


def _legend(found: dict[str, Any]) -> str:
    first, last = found["waiting"]
    text = (
        f"Each value is the median of its rounds. Memory is told from {first} waiting runs to {last}, the cold start "
        f"of {found['spawns']} processes. The replay is of {found['replayed_turns']} turns, its least CPU time. "
        "DBOS has no server: its events are the rows of its SQLite table of steps, its bytes the outputs in them."
    )
    return textwrap.fill(text, _WIDTH) + "\n"


def _aims(sides: Sides) -> str:
    rows = [[*_told(aim, ratio(sides, aim.figure, aim.side, aim.other))] for aim in AIMS]
    return table("Aims", ["ratio", "aim", "measured", ""], rows)


def _told(aim: Aim, found: float | None) -> tuple[str, str, str, str]:
    aimed = f"at {'least' if _more_is_better(aim.figure) else 'most'} {aim.limit}"
    what = f"{_ROWS[aim.figure]}: {aim.side} / {aim.other}"
    if found is None:
        return what, aimed, _NO_VALUE, "not measured"
    return what, aimed, f"{found:.2f}", "met" if meets(aim, found) else "**missed**"


def _ratios(sides: Sides) -> str:
    rows = [
        [text, *(_ratio(name, ratio(sides, name, side, other)) for side, other in _PAIRS)]
        for name, text in _ROWS.items()
    ]
    title = "All ratios; where Perdure is behind, in bold"
    return table(title, ["", *(f"{side} / {other}" for side, other in _PAIRS)], rows)


def _ratio(figure: str, found: float | None) -> str:
    if found is None:
        return _NO_VALUE
    text = f"{found:.2f}"
    behind = float(text) < 1 if _more_is_better(figure) else float(text) > 1
    return f"**{text}**" if behind else text


def _more_is_better(figure: str) -> bool:
    return figure.startswith("runs_per_second")


def _circumstances(found: dict[str, Any]) -> list[str]:
    on = found["machine"]
    others = f"{max(0, found['others_percent']):.0f} % of its CPU time"
    busy = f"**other programs took {others}**" if found["others_percent"] > _BUSY_PERCENT else f"others took {others}"
    versions = [f"- {side}: {', '.join(packages)}" for side, packages in found["versions"].items()]
    where = f"{on['cpu']}, {on['cores']} cores, {on['system']}, Python {on['python']}"
    return [f"- Machine: {where}; in the meantime {busy}.", *versions]
