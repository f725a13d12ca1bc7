"""Runs scenarios on the side of Perdure, all at once: `python -m tests.conformance.child FOLDER NAME...`.

The folder gets a log of each, which survives this process, and what each ended in.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

from tests.conformance.bench import Bench, Log
from tests.conformance.comparison import ended_in
from tests.conformance.registry import Scenario, all_scenarios
from tests.conformance.sides import PERDURE, Side

PATIENCE_SECONDS = 300.0  # ten scenarios start at once, on a machine that may be busy with much else


async def run(scenario: Scenario, folder: Path) -> None:
    """Runs a scenario and writes what it ended in."""
    bench = Bench(scenario.slug, Side(PERDURE), None, log=Log(folder / f"{scenario.slug}.log"))
    bench.run_id = f"killed-{scenario.slug}"[:80]
    ended = await ended_in(scenario, bench, PATIENCE_SECONDS)
    out = folder / f"{scenario.slug}.json"
    partial = out.with_suffix(".partial")
    partial.write_text(json.dumps({"ended": ended, "log": bench.log.lines}))
    partial.rename(out)


async def main(folder: Path, names: list[str]) -> None:
    """Runs the scenarios of these names."""
    await asyncio.gather(*(run(one, folder) for one in all_scenarios() if one.name in names))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
