"""The figures as tables, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

_NARROWEST = 3  # "---"
_ROWS = {
    "latency_ms_p50": "latency ms, p50",
    "latency_ms_p95": "latency ms, p95",
    "client_ms": "run ms as the client sees it",
    "cpu_ms": "worker CPU ms",
    "events": "history events",
    "history_bytes": "history bytes",
}


def turns_table(found: dict[str, Any]) -> str:
    """What a turn costs on each side, and how many times the floor that is."""
    sides: dict[str, Any] = found["sides"]
    others = [side for side in sides if side != "floor"]
    title = f"Per turn: {found['runs']} runs of {found['turns']} turns, results of {found['size']} bytes"
    head = ["", *sides, *(f"{side} / floor" for side in others)]
    rows = [
        [
            text,
            *(number(sides[side][name]) for side in sides),
            *(f"{sides[side]['ratios'][name]:.2f}" for side in others),
        ]
        for name, text in _ROWS.items()
    ]
    return table(title, head, rows)


def growth_table(found: list[dict[str, Any]]) -> str:
    """What a turn costs as runs get longer."""
    names = ("history_bytes", "events", "cpu_ms", "latency_ms_p50")
    compared = ("history_bytes", "cpu_ms", "latency_ms_p50")
    head = ["turns", "", *(_ROWS[name] for name in names), *(f"{_ROWS[name]} / floor" for name in compared)]
    rows = [
        [str(row["turns"]), side, *(number(told[name]) for name in names), *ratios(told, compared)]
        for row in found
        for side, told in row["sides"].items()
    ]
    return table(f"Growth, per turn: results of {found[0]['size']} bytes", head, rows)


def ratios(told: dict[str, Any], names: Sequence[str]) -> list[str]:
    """A side's ratios to the floor; of the floor itself none."""
    return [f"{told['ratios'][name]:.2f}" if "ratios" in told else "" for name in names]


def loop_table(found: list[dict[str, Any]]) -> str:
    """What the loop itself costs."""
    rows = [[str(row["turns"]), f"{row['cpu_ms']:.3f}"] for row in found]
    title = f"The loop alone: results of {found[0]['size']} bytes"
    return table(title, ["turns", "CPU ms per turn"], rows)


def number(value: float) -> str:
    """As many digits as are stable."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"  # noqa: PLR2004  three digits are


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A title and aligned columns."""
    widths = [max(_NARROWEST, *(len(row[column]) for row in [head, *rows])) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([title, "", *(_line(row, widths) for row in [head, rule, *rows]), ""])


def put_into(page: Path, name: str, text: str) -> None:
    """Replaces what a page has between `<!-- NAME -->` and `<!-- /NAME -->`.

    Raises:
        ValueError: It has not both of these lines.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    before, begun, rest = page.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(
            f"{page} has no place for {name!r}: write {begin.strip()} and {end.strip()} in lines of their own."
        )
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def _line(cells: Iterable[str], widths: Sequence[int]) -> str:
    first, *rest = [(cell, width) for cell, width in zip(cells, widths, strict=True)]
    return f"| {' | '.join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)])} |"
